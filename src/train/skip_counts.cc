#include "train/skip_counts.h"

#include <utility>

namespace diptych::train {

const char* NameOf(SkipReason reason) {
  switch (reason) {
    case SkipReason::kNoPicture: return "without a picture";
    case SkipReason::kNoCaption: return "without a caption";
    case SkipReason::kBadRow: return "malformed rows";
    case SkipReason::kUnreadable: return "unreadable";
    case SkipReason::kBrokenPicture: return "broken pictures";
    case SkipReason::kDamagedShard: return "damaged shards";
  }
  return "";
}

void SkipCounts::Add(SkipReason reason, std::string name) {
  Entry& entry = entries_[static_cast<size_t>(reason)];
  ++entry.count;
  if (entry.names.size() < kMaxNames) entry.names.push_back(std::move(name));
}

void SkipCounts::Add(const SkipCounts& other) {
  for (size_t i = 0; i < kSkipReasons; ++i) {
    entries_[i].count += other.entries_[i].count;
    for (const std::string& name : other.entries_[i].names) {
      if (entries_[i].names.size() < kMaxNames) entries_[i].names.push_back(name);
    }
  }
}

int64_t SkipCounts::total() const {
  int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.count;
  return sum;
}

std::string SkipCounts::ToString() const {
  std::string text;
  for (size_t i = 0; i < kSkipReasons; ++i) {
    const Entry& entry = entries_[i];
    if (entry.count == 0) continue;
    text += text.empty() ? "" : ", ";
    text += std::to_string(entry.count) + " " + NameOf(static_cast<SkipReason>(i)) + " (";
    for (size_t k = 0; k < entry.names.size(); ++k) text += (k == 0 ? "" : ", ") + entry.names[k];
    text += static_cast<size_t>(entry.count) > entry.names.size() ? ", ...)" : ")";
  }
  return text;
}

}  // namespace diptych::train
