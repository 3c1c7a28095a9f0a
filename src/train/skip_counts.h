// What of a data set could not be used: counted by reason, the first few by name.
#ifndef DIPTYCH_TRAIN_SKIP_COUNTS_H_
#define DIPTYCH_TRAIN_SKIP_COUNTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace diptych::train {

enum class SkipReason : uint8_t {
  kNoPicture,
  kNoCaption,
  kBadRow,         // of a table
  kUnreadable,     // the file or a member of it is gone, too large or malformed
  kBrokenPicture,  // does not decode
  kDamagedShard,   // what follows the damage is lost
};
inline constexpr size_t kSkipReasons = 6;

/// "without a picture", ...: completes "3 samples ".
const char* NameOf(SkipReason reason);

class SkipCounts {
 public:
  static constexpr size_t kMaxNames = 5;  // kept for each reason
  struct Entry {
    int64_t count = 0;
    std::vector<std::string> names;  // where, and what is wrong with it
  };

  void Add(SkipReason reason, std::string name);
  void Add(const SkipCounts& other);
  const Entry& operator[](SkipReason reason) const { return entries_[static_cast<size_t>(reason)]; }
  int64_t total() const;
  /// "2 broken pictures (a.jpg: ..., b.jpg: ...), 1 ..."; empty where nothing was skipped.
  std::string ToString() const;

 private:
  std::array<Entry, kSkipReasons> entries_;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_SKIP_COUNTS_H_
