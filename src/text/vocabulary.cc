#include "text/vocabulary.h"

#include <functional>

#include "core/check.h"

namespace diptych {
namespace {

constexpr size_t kFirstSlots = 1024;

uint32_t HashOf(std::string_view token) {
  return static_cast<uint32_t>(std::hash<std::string_view>()(token));
}

}  // namespace

bool Vocabulary::Add(std::string_view token, int32_t id) {
  const size_t before = size_;
  Slot& slot = Insert(token);
  if (size_ > before) slot.id = id;
  return size_ > before;
}

void Vocabulary::Set(std::string_view token, int32_t id) {
  Insert(token).id = id;
}

std::optional<int32_t> Vocabulary::Find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[SlotOf(token, HashOf(token))];
  return slot.begin == kEmpty ? std::nullopt : std::optional(slot.id);
}

size_t Vocabulary::SlotOf(std::string_view token, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  for (; slots_[i].begin != kEmpty; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.hash == hash && std::string_view(text_).substr(slot.begin, slot.length) == token) break;
  }
  return i;
}

Vocabulary::Slot& Vocabulary::Insert(std::string_view token) {
  if (2 * (size_ + 1) > slots_.size()) Grow();
  const uint32_t hash = HashOf(token);
  Slot& slot = slots_[SlotOf(token, hash)];
  if (slot.begin == kEmpty) {
    CHECK_LT(text_.size() + token.size(), kEmpty) << "files are limited to far less";
    slot = {static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(token.size()), hash, 0};
    text_.append(token);
    ++size_;
  }
  return slot;
}

void Vocabulary::Grow() {
  std::vector<Slot> old(slots_.empty() ? kFirstSlots : 4 * slots_.size());
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.begin == kEmpty) continue;
    size_t i = slot.hash & mask;
    while (slots_[i].begin != kEmpty) i = (i + 1) & mask;
    slots_[i] = slot;
  }
}

void MergeTexts::Add(std::string_view left, std::string_view right) {
  items_.push_back({text_.size(), static_cast<uint32_t>(left.size()), static_cast<uint32_t>(right.size())});
  text_.append(left).append(right);
}

}  // namespace diptych
