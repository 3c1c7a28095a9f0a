// String -> token ids, exactly as the checkpoint's reference does it.
#ifndef DIPTYCH_TEXT_TOKENIZER_H_
#define DIPTYCH_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace diptych {

/// Immutable and thread safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Ids with the special tokens around them, truncated to context_length() as the reference truncates (the end token
  /// is kept), without padding. Any bytes are accepted: invalid UTF-8 becomes U+FFFD.
  std::vector<int32_t> Encode(std::string_view text) const {
    return EncodeUpTo(text, static_cast<size_t>(context_length()));
  }
  /// The same for another limit. REQUIRES: max_ids has room for the special tokens.
  virtual std::vector<int32_t> EncodeUpTo(std::string_view text, size_t max_ids) const = 0;
  virtual int context_length() const = 0;
  virtual int32_t pad_id() const = 0;
  virtual int32_t vocab_size() const = 0;
  virtual std::string description() const = 0;  // "BERT WordPiece, 30522 tokens, tokenizer.json"
};

/// What is done to a text before it is split into tokens (open_clip's tokenizer `clean` modes, and transformers).
enum class TextClean : uint8_t {
  kNone,          // transformers: the tokenizer.json's own normalizer alone
  kWhitespace,    // ftfy, HTML entities twice, strip, runs of white space to one space
  kLower,         // kWhitespace, then Python's lower()
  kCanonicalize,  // ftfy, HTML; "_" to space, ASCII punctuation removed, lower, white space
};

struct TokenizerOptions {
  int context_length = 77;
  TextClean clean = TextClean::kLower;
  int32_t pad_id = 0;
};

/// CLIP's byte-pair encoding with the built-in vocabulary, equal to open_clip's SimpleTokenizer (and OpenAI's, but for
/// the spelling of literal special tokens).
std::unique_ptr<Tokenizer> MakeClipTokenizer(const TokenizerOptions& options);

/// The tokenizer of a checkpoint's folder: tokenizer.json (WordPiece, or CLIP's BPE as transformers' fast tokenizer
/// reads it), or vocab.json + merges.txt (as transformers reads them). Errors name the file and the field.
Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder, const TokenizerOptions& options);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_TOKENIZER_H_
