// The two models of Hugging Face's tokenizers library that CLIP's text towers use, read from their files.
#ifndef DIPTYCH_TEXT_HF_MODELS_H_
#define DIPTYCH_TEXT_HF_MODELS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/hf_tokenizer.h"
#include "text/vocabulary.h"

namespace diptych {

inline constexpr int32_t kMaxTokenId = (1 << 24) - 1;

/// token -> id from a JSON object. `vocab_size` becomes the greatest id + 1, unless it is greater already.
Result<Vocabulary> ReadVocabulary(const JsonReader& object, int32_t& vocab_size);

/// tokenizer.json with a WordPiece model, a BertNormalizer and a BertPreTokenizer.
Result<std::unique_ptr<HfModel>> ReadWordPiece(JsonReader& file, Vocabulary vocabulary);

/// tokenizer.json with a BPE model as CLIP's: NFC, lower case, CLIP's split, bytes, "</w>" at the end of words.
Result<std::unique_ptr<HfModel>> ReadClipBpe(JsonReader& file, const Vocabulary& vocabulary);

/// The same from the parts of vocab.json and merges.txt.
Result<std::unique_ptr<HfModel>> MakeClipBpe(const Vocabulary& vocabulary,
                                             const std::vector<std::pair<std::string, std::string>>& merges,
                                             const std::string& unknown, const std::string& where);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_HF_MODELS_H_
