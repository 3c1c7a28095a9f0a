// The tokenizer files of a checkpoint's folder, as transformers 5 writes and reads them.
#ifndef DIPTYCH_TEXT_HF_FILES_H_
#define DIPTYCH_TEXT_HF_FILES_H_

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace diptych {

/// `folder`/tokenizer.json, with the special tokens that tokenizer_config.json and special_tokens_map.json add.
Result<std::unique_ptr<Tokenizer>> LoadTokenizerJson(const std::string& folder, const TokenizerOptions& options);

/// `folder`/vocab.json and merges.txt: CLIP's byte-pair encoding, as transformers' CLIPTokenizer sets it up.
Result<std::unique_ptr<Tokenizer>> LoadVocabAndMerges(const std::string& folder, const TokenizerOptions& options);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_HF_FILES_H_
