#include "text/added_tokens.h"

#include <algorithm>

namespace diptych {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (const AddedToken& token : tokens_) starts_[static_cast<unsigned char>(token.content[0])] = true;
}

void AddedTokens::Split(std::string_view text, const std::function<void(std::string_view)>& on_text,
                        const std::function<void(int32_t)>& on_token) const {
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const AddedToken* found = nullptr;
    if (starts_[static_cast<unsigned char>(text[i])]) {
      const std::string_view rest = text.substr(i);
      const auto it = std::find_if(tokens_.begin(), tokens_.end(),
                                   [&](const AddedToken& token) { return rest.starts_with(token.content); });
      if (it != tokens_.end()) found = &*it;
    }
    if (found == nullptr) {
      ++i;
      continue;
    }
    if (i > begin) on_text(text.substr(begin, i - begin));
    on_token(found->id);
    i += found->content.size();
    begin = i;
  }
  if (begin < text.size()) on_text(text.substr(begin));
}

}  // namespace diptych
