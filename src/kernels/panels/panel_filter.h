// Depthwise convolutions with ReLU6 over maps in panels.
#ifndef DIPTYCH_KERNELS_PANELS_PANEL_FILTER_H_
#define DIPTYCH_KERNELS_PANELS_PANEL_FILTER_H_

#include <vector>

#include "core/tensor.h"
#include "kernels/panels/panels.h"

namespace diptych::kernels {

/// Whether there is a kernel for such a filter: sides 3 and 5, strides 1 and 2.
bool IsPanelFilter(int kernel, int stride);

struct PanelFilter {
  int64_t channels = 0;
  int kernel = 0, stride = 1;
  // In fp32, as the vectors of this CPU take them: the even channels of two vectors of a panel, then their odd ones.
  std::vector<float> taps;  // (panels, kernel * kernel, kPanel)
  std::vector<float> bias;  // (panels, kPanel)
};

/// w (C, 1, kernel, kernel), each filter times scale[c]; bias (C). REQUIRES: IsPanelFilter.
PanelFilter PackPanelFilter(TensorView w, int stride, const float* scale, const float* bias);

/// One panel of one map, or of a band of its rows: padding is in x. x has (rows - 1) * stride + kernel rows of at least
/// (width - 1) * stride + kernel pixels, `x_row` values apart; y is dense (rows, width, kPanel).
struct PanelFilterJob {
  const uint16_t* x = nullptr;
  int64_t x_row = 0;
  int64_t rows = 0, width = 0;
  uint16_t* y = nullptr;
};
/// On the calling thread. Sums in fp32, rounded once, halves away from zero.
void FilterPanel(const PanelFilter& filter, int64_t panel, const PanelFilterJob& job);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PANELS_PANEL_FILTER_H_
