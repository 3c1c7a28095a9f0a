// What all tokenizers of Hugging Face's tokenizers library have in common: special tokens found in the text, a
// normalizer, a model, and special tokens put around.
#ifndef DIPTYCH_TEXT_HF_TOKENIZER_H_
#define DIPTYCH_TEXT_HF_TOKENIZER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer.h"

namespace diptych {

class HfModel {
 public:
  virtual ~HfModel() = default;
  virtual std::string Normalize(std::string_view text) const = 0;
  /// Splits normalized text into words and appends their ids; may stop once there are `limit`.
  virtual void Encode(std::string_view text, size_t limit, std::vector<int32_t>& ids) const = 0;
};

struct HfParts {
  std::unique_ptr<HfModel> model;
  std::vector<AddedToken> added;
  std::vector<int32_t> before, after;  // ids around the text
  int32_t vocab_size = 0;
  std::string description;
};

/// An error if the context leaves no room for a token of text; `where` is the file to name.
Result<std::unique_ptr<Tokenizer>> MakeHfTokenizer(HfParts parts, const TokenizerOptions& options,
                                                   const std::string& where);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_HF_TOKENIZER_H_
