// Special tokens that are found in the raw text, before anything else happens to it.
#ifndef DIPTYCH_TEXT_ADDED_TOKENS_H_
#define DIPTYCH_TEXT_ADDED_TOKENS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace diptych {

struct AddedToken {
  std::string content;
  int32_t id = 0;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// Cuts the text at the leftmost, then longest tokens. Calls `on_text` for what lies between (never empty) and
  /// `on_token` for each token, in order.
  void Split(std::string_view text, const std::function<void(std::string_view)>& on_text,
             const std::function<void(int32_t)>& on_token) const;

 private:
  std::vector<AddedToken> tokens_;  // longest first
  bool starts_[256] = {};           // by first byte
};

}  // namespace diptych

#endif  // DIPTYCH_TEXT_ADDED_TOKENS_H_
