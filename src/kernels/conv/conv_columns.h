// The gradient of a dense convolution's weight as a matrix product. Private to kernels/.
#ifndef DIPTYCH_KERNELS_CONV_CONV_COLUMNS_H_
#define DIPTYCH_KERNELS_CONV_CONV_COLUMNS_H_

#include "core/context.h"
#include "kernels/conv/conv_training.h"

namespace diptych::kernels {

/// dw += dyᵀ times the windows of x. REQUIRES: groups = 1.
void ConvWeightsByProduct(Context& context, const ConvShape& shape, const float* x, const float* dy, float* dw);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_CONV_CONV_COLUMNS_H_
