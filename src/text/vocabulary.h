// A tokenizer's tables: token -> id, and the merges of a byte-pair encoding as texts.
#ifndef DIPTYCH_TEXT_VOCABULARY_H_
#define DIPTYCH_TEXT_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace diptych {

class Vocabulary {
 public:
  /// False, and nothing is changed, if the token is there already.
  bool Add(std::string_view token, int32_t id);
  /// Adds the token or gives it another id.
  void Set(std::string_view token, int32_t id);
  std::optional<int32_t> Find(std::string_view token) const;
  size_t size() const { return size_; }

 private:
  static constexpr uint32_t kEmpty = UINT32_MAX;
  struct Slot {
    uint32_t begin = kEmpty, length = 0, hash = 0;
    int32_t id = 0;
  };
  // The token's slot, or the empty one where it belongs. REQUIRES: an empty slot.
  size_t SlotOf(std::string_view token, uint32_t hash) const;
  Slot& Insert(std::string_view token);
  void Grow();

  std::string text_;         // of all tokens
  std::vector<Slot> slots_;  // open addressing; a power of two, at most half of them taken
  size_t size_ = 0;
};

/// Pairs of tokens, in the order of their ranks.
class MergeTexts {
 public:
  void Add(std::string_view left, std::string_view right);
  size_t size() const { return items_.size(); }
  std::string_view left(size_t i) const { return joined(i).substr(0, items_[i].left); }
  std::string_view right(size_t i) const { return joined(i).substr(items_[i].left); }
  std::string_view joined(size_t i) const {
    return std::string_view(text_).substr(items_[i].begin, items_[i].left + items_[i].right);
  }

 private:
  struct Item {
    size_t begin;
    uint32_t left, right;
  };
  std::string text_;
  std::vector<Item> items_;
};

}  // namespace diptych

#endif  // DIPTYCH_TEXT_VOCABULARY_H_
