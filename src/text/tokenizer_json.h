// Reads the tokenizer.json of Hugging Face's tokenizers library: BERT's WordPiece.
#ifndef DIPTYCH_TEXT_TOKENIZER_JSON_H_
#define DIPTYCH_TEXT_TOKENIZER_JSON_H_

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace diptych {

Result<std::unique_ptr<Tokenizer>> LoadTokenizerJson(const std::string& path, const TokenizerOptions& options);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_TOKENIZER_JSON_H_
