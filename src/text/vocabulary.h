// Token -> id, looked up by views.
#ifndef DIPTYCH_TEXT_VOCABULARY_H_
#define DIPTYCH_TEXT_VOCABULARY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace diptych {

struct StringViewHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

class Vocabulary {
 public:
  void Reserve(size_t tokens) { ids_.reserve(tokens); }
  /// False if the token is there already.
  bool Add(std::string token, int32_t id) { return ids_.emplace(std::move(token), id).second; }
  std::optional<int32_t> Find(std::string_view token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }
  size_t size() const { return ids_.size(); }

 private:
  std::unordered_map<std::string, int32_t, StringViewHash, std::equal_to<>> ids_;
};

}  // namespace diptych

#endif  // DIPTYCH_TEXT_VOCABULARY_H_
