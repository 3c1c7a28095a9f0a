// What the backward pass of a batch norm hands to the code of each instruction set. Private to kernels/.
#ifndef DIPTYCH_KERNELS_NORMS_BATCH_NORM_ROWS_H_
#define DIPTYCH_KERNELS_NORMS_BATCH_NORM_ROWS_H_

#include <cstdint>

namespace diptych::kernels {

struct GradientRows {
  const float* x;
  const float* y;
  const float* dy;
  int64_t rows, c;
  const float* mean;  // (C)
};

/// dx = g * scale + (x - mean) * slope + offset, one of each a channel; g is the gradient before the activation.
struct GradientLine {
  const float* scale;
  const float* slope;
  const float* offset;
};

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_NORMS_BATCH_NORM_ROWS_H_
