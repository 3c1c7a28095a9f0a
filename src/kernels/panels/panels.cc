#include "kernels/panels/panels.h"

#include <algorithm>
#include <cstring>

#include "core/half.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/panels/panels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/brain_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

// Rows r, g, b of n values -> y (n, 3).
void InterleaveColours(const float* r, const float* g, const float* b, int64_t n, uint16_t* y) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(d)> dh;
  const hn::RebindToSigned<decltype(d)> di;
  const auto narrow = [&](const float* x) HWY_ATTR {
    return hn::DemoteTo(dh, hn::BitCast(di, hn::ShiftRight<16>(RoundedBits(d, hn::LoadU(d, x)))));
  };
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreInterleaved3(narrow(r + i), narrow(g + i), narrow(b + i), dh, y + 3 * i);
  for (; i < n; ++i) {
    y[3 * i] = FloatToBFloat16(r[i]);
    y[3 * i + 1] = FloatToBFloat16(g[i]);
    y[3 * i + 2] = FloatToBFloat16(b[i]);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(InterleaveColours);

namespace {

constexpr int64_t kWindow = 3, kStride = 2, kColours = 3;
constexpr int64_t kTaps = kWindow * kColours;  // values of a row of a window

// A row of pixels with its padding, and what is read behind it.
int64_t PixelRow(int64_t width) {
  return ((width - 1) * kStride + kWindow) * kColours + kPanel;
}

}  // namespace

MutablePanels AllocatePanels(Arena& arena, int64_t rows, int64_t channels) {
  const int64_t stride = rows * kPanel;
  return {{arena.Allocate<uint16_t>(PanelsOf(channels) * stride + kPanelRowUnit * kPanel), stride}};
}

void FromPanels(const Panels& x, int64_t rows, int64_t channels, float* y) {
  for (int64_t row = 0; row < rows; ++row, y += channels) {
    for (int64_t c = 0; c < channels; ++c) y[c] = BFloat16ToFloat(x.panel(c / kPanel)[row * kPanel + c % kPanel]);
  }
}

void MeanOfPanels(const Panels& x, int64_t rows, int64_t channels, float* y) {
  CHECK_GT(rows, 0);
  const float scale = 1.0f / static_cast<float>(rows);
  for (int64_t first = 0; first < channels; first += kPanel) {
    const uint16_t* in = x.panel(first / kPanel);
    float sums[kPanel] = {};
    for (int64_t row = 0; row < rows; ++row, in += kPanel) {
      for (int64_t c = 0; c < kPanel; ++c) sums[c] += BFloat16ToFloat(in[c]);
    }
    for (int64_t c = first; c < std::min(channels, first + kPanel); ++c) y[c] = sums[c - first] * scale;
  }
}

int64_t PixelColumnsScratch(int64_t width) {
  return ((kWindowRows - 1) * kStride + kWindow) * PixelRow(width);
}

void PixelColumns(const PixelWindows& windows, int64_t begin, int64_t end, uint16_t* scratch, uint16_t* y) {
  CHECK(end - begin <= kWindowRows && windows.width > 0);
  const int64_t row_size = PixelRow(windows.width), side = windows.side, first = begin * kStride - windows.pad;
  const int64_t count = (end - begin - 1) * kStride + kWindow;
  for (int64_t i = 0; i < count; ++i) {
    uint16_t* row = scratch + i * row_size;
    const int64_t in = first + i;
    if (in < 0 || in >= side) {
      std::fill_n(row, row_size, uint16_t{0});
      continue;
    }
    const int64_t before = windows.pad * kColours, n = std::min(side, (row_size - before) / kColours);
    std::fill_n(row, before, uint16_t{0});
    const float* red = windows.pixels + in * side;
    HWY_DYNAMIC_DISPATCH(InterleaveColours)(red, red + side * side, red + 2 * side * side, n, row + before);
    std::fill(row + before + n * kColours, row + row_size, uint16_t{0});
  }
  for (int64_t i = begin; i < end; ++i) {
    const uint16_t* in = scratch + (i - begin) * kStride * row_size;
    for (int64_t column = 0; column < windows.width; ++column, in += kStride * kColours, y += kPanel) {
      // Whole vectors, each over the end of the one before; the last row's is exact.
      std::memcpy(y, in, 16 * sizeof(uint16_t));
      std::memcpy(y + kTaps, in + row_size, 16 * sizeof(uint16_t));
      std::memcpy(y + 2 * kTaps, in + 2 * row_size, kTaps * sizeof(uint16_t));
      std::memset(y + 3 * kTaps, 0, (kPanel - 3 * kTaps) * sizeof(uint16_t));
    }
  }
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
