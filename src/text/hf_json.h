// tokenizer.json and vocab.json: what is large in them goes straight into tables, which takes a fifth of the time
// that a Json of it all would take.
#ifndef DIPTYCH_TEXT_HF_JSON_H_
#define DIPTYCH_TEXT_HF_JSON_H_

#include <cstdint>
#include <optional>
#include <string>

#include "core/json.h"
#include "text/vocabulary.h"

namespace diptych {

inline constexpr int32_t kMaxTokenId = (1 << 24) - 1;

struct HfJson {
  Json json;  // of tokenizer.json: all of the file but the members of model.vocab and the items of model.merges
  Vocabulary vocabulary;
  int32_t vocab_size = 0;  // the greatest id + 1
  MergeTexts merges;
  std::optional<size_t> bad_merge;  // the first that is neither "a b" nor ["a", "b"]; `merges` ends before it
};

/// Errors: what ParseJson refuses; an id of the vocabulary that is none. What the rest means is for the caller to
/// check.
Result<HfJson> LoadTokenizerJsonFile(const std::string& path);

/// {"token": id, ...}; `json` and the merges stay empty. Besides: anything but an object with tokens.
Result<HfJson> LoadVocabularyFile(const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_HF_JSON_H_
