// Pointwise convolutions over maps in panels: y = clamp(x Wᵀ + b + residual).
#ifndef DIPTYCH_KERNELS_PANELS_PANEL_PRODUCT_H_
#define DIPTYCH_KERNELS_PANELS_PANEL_PRODUCT_H_

#include <vector>

#include "core/tensor.h"
#include "kernels/panels/panels.h"

namespace diptych::kernels {

/// W (N, K) in bf16, panels of N by panels of K, each as two tiles of 16 outputs: (16, 16, 2), input pair, output,
/// input of the pair.
struct PanelWeight {
  int64_t n = 0, k = 0;
  Tensor tiles;             // bytes
  std::vector<float> bias;  // whole panels of N
  bool clamp = false;       // ReLU6

  const uint16_t* panel(int64_t i) const;
};

/// w (N, K, H, W), each output times scale[n]; bias (N). Where H and W are not 1 the inputs are in the order of
/// PixelColumns: row, column, channel.
PanelWeight PackPanelWeight(TensorView w, const float* scale, const float* bias, bool clamp);

/// Where the rows of a product go: pixel i of maps (height, width) one after the other, with a gap of pixels after each
/// row and after each map, as a frame of padding leaves them. The default is dense.
struct PixelFrame {
  int64_t width = INT64_MAX, height = INT64_MAX;
  int64_t row_gap = 0, map_gap = 0;
};

struct PanelProduct {
  Panels x;
  int64_t m = 0;                        // rows
  const PanelWeight* w = nullptr;
  int64_t begin = 0, end = 0;           // panels of N
  Panels residual;                      // no data: none; else as y, and dense
  MutablePanels y;                      // panel `begin` is the first, here and in residual
  PixelFrame frame;
};

/// Whether it is faster than the library's products: on tiles (AMX) alone.
bool HasFastPanels();

/// On the calling thread. Sums and residual in fp32, one rounding.
void MultiplyPanels(const PanelProduct& product);

/// The two that it chooses from; tiles only where HasTiles().
void MultiplyPanelsOnTiles(const PanelProduct& product);
void MultiplyPanelsOnVectors(const PanelProduct& product);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PANELS_PANEL_PRODUCT_H_
