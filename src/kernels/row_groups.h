// Sums over rows in an order that does not depend on the number of threads. Private to kernels/.
#ifndef DIPTYCH_KERNELS_ROW_GROUPS_H_
#define DIPTYCH_KERNELS_ROW_GROUPS_H_

#include <algorithm>
#include <cstdint>

namespace diptych::kernels {

/// m rows in groups of about equal size, by m alone. Each group is summed by one thread, then the groups in order.
struct RowGroups {
  explicit RowGroups(int64_t m) : count(std::clamp<int64_t>(m / kRowsOfGroup, m > 0 ? 1 : 0, kMaxGroups)), rows(m) {}

  /// First row of group i; i = count gives m.
  int64_t Begin(int64_t i) const { return rows * i / count; }

  static constexpr int64_t kRowsOfGroup = 32, kMaxGroups = 32;
  int64_t count, rows;
};

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ROW_GROUPS_H_
