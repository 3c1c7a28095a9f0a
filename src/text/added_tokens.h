// Special tokens that are found in a text as they stand, before it is split into words.
#ifndef DIPTYCH_TEXT_ADDED_TOKENS_H_
#define DIPTYCH_TEXT_ADDED_TOKENS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace diptych {

/// An entry of tokenizer.json's added_tokens.
struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool normalized = false;   // looked for in the normalized text, not in the raw one
  bool single_word = false;  // only where no letter, digit or "_" adjoins
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and after it
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  /// Cuts the text, UTF-8, at the leftmost, then longest tokens. Calls `on_text` for what lies between (never empty)
  /// and `on_token` for each token, in order.
  void Split(std::string_view text, const std::function<void(std::string_view)>& on_text,
             const std::function<void(int32_t)>& on_token) const;

 private:
  const AddedToken* Find(std::string_view text, size_t i) const;

  std::vector<AddedToken> tokens_;        // sorted by content, each once
  std::array<int32_t, 257> starts_ = {};  // those that begin with byte b are [starts_[b], starts_[b + 1])
};

}  // namespace diptych

#endif  // DIPTYCH_TEXT_ADDED_TOKENS_H_
