// Maps for convolutions in bf16, their channels in panels: what products on tiles and depthwise filters share.
#ifndef DIPTYCH_KERNELS_PANELS_PANELS_H_
#define DIPTYCH_KERNELS_PANELS_PANELS_H_

#include <cstdint>

#include "core/context.h"

namespace diptych::kernels {

/// Channels of a panel: a cache line, and the depth of a tile.
inline constexpr int64_t kPanel = 32;

inline int64_t PanelsOf(int64_t channels) {
  return (channels + kPanel - 1) / kPanel;
}

/// A map of bf16 (panels, rows, kPanel); a row is a pixel. Channels behind the last are zeros. Views do not own.
template <class T>
struct BasicPanels {
  T* data = nullptr;
  int64_t stride = 0;  // values between panels

  BasicPanels At(int64_t row) const { return {data + row * kPanel, stride}; }
  T* panel(int64_t i) const { return data + i * stride; }
};
using Panels = BasicPanels<const uint16_t>;
struct MutablePanels : BasicPanels<uint16_t> {
  MutablePanels At(int64_t row) const { return {{data + row * kPanel, stride}}; }
  operator Panels() const { return {data, stride}; }  // NOLINT(google-explicit-constructor): as T* to const T*
};

/// Products read whole units of rows; what lies behind the last row may be anything.
inline constexpr int64_t kPanelRowUnit = 32;

/// Scratch for a map of `rows` pixels.
MutablePanels AllocatePanels(Arena& arena, int64_t rows, int64_t channels);

/// x -> y (rows, C) in fp32.
void FromPanels(const Panels& x, int64_t rows, int64_t channels, float* y);

/// y (C) = mean of the rows of x.
void MeanOfPanels(const Panels& x, int64_t rows, int64_t channels, float* y);

/// Rows of a 3x3 stem with stride 2 over three colours.
struct PixelWindows {
  const float* pixels = nullptr;  // (3, S, S)
  int64_t side = 0;               // S
  int64_t pad = 0;                // zeros before the first row and column
  int64_t width = 0;              // windows of a row
};
inline constexpr int64_t kWindowRows = 4;  // most rows of windows in one call
/// Values of scratch that PixelColumns wants.
int64_t PixelColumnsScratch(int64_t width);
/// Windows of rows [begin, end) -> y (rows * width, kPanel): 27 values each, row, column, colour; then zeros.
void PixelColumns(const PixelWindows& windows, int64_t begin, int64_t end, uint16_t* scratch, uint16_t* y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PANELS_PANELS_H_
