// Maps in panels for the tests of kernels/.
#ifndef DIPTYCH_KERNELS_PANELS_PANELS_TEST_UTIL_H_
#define DIPTYCH_KERNELS_PANELS_PANELS_TEST_UTIL_H_

#include <vector>

#include "core/half.h"
#include "kernels/panels/panels.h"
#include "kernels/test_util.h"

namespace diptych::kernels {

inline float RoundedToBrain(float x) {
  return BFloat16ToFloat(FloatToBFloat16(x));
}

/// Random values that bf16 holds exactly.
inline std::vector<float> RandomBrains(int64_t n, uint32_t seed, float scale = 1.0f) {
  std::vector<float> values = Random(n, seed, scale);
  for (float& value : values) value = RoundedToBrain(value);
  return values;
}

/// x (rows, channels) to panels in the arena.
inline MutablePanels ToPanels(Arena& arena, const std::vector<float>& x, int64_t rows, int64_t channels) {
  const MutablePanels panels = AllocatePanels(arena, rows, channels);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < PanelsOf(channels) * kPanel; ++c) {
      panels.panel(c / kPanel)[row * kPanel + c % kPanel] =
          c < channels ? FloatToBFloat16(x[static_cast<size_t>(row * channels + c)]) : uint16_t{0};
    }
  }
  return panels;
}

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PANELS_PANELS_TEST_UTIL_H_
