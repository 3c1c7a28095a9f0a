// Convolutions of training and their gradients, over channels-last maps. The weight changes with every step, so it
// stays in the layout of its parameter and is reordered into scratch on each call; what is built for a shape is kept.
// Pointwise ones are MatMul's, in the context's precision; all others are computed in fp32.
#ifndef DIPTYCH_KERNELS_CONV_CONV_TRAINING_H_
#define DIPTYCH_KERNELS_CONV_CONV_TRAINING_H_

#include <compare>
#include <cstdint>

#include "core/context.h"
#include "kernels/conv/conv.h"

namespace diptych::kernels {

/// A convolution over B maps of H x W: x (B, H, W, C), w (OC, C/groups, KH, KW), y (B, OutSize(H), OutSize(W), OC).
struct ConvShape {
  ConvGeometry geometry;
  int64_t b = 0;
  int h = 0, w = 0;

  int64_t InputElements() const;
  int64_t OutputElements() const;

  friend auto operator<=>(const ConvShape&, const ConvShape&) = default;
};

/// y = conv(x, w).
void TrainingConv(Context& context, const ConvShape& shape, const float* x, const float* w, float* y);

enum class Gradient : uint8_t { kWrite, kAccumulate };

/// dx = (or +=) the gradient of x, of dy as y.
void ConvBackwardData(Context& context, const ConvShape& shape, const float* dy, const float* w, float* dx,
                      Gradient mode = Gradient::kWrite);

/// dw += the gradient of w. The same bits from run to run at the same number of threads.
void ConvBackwardWeights(Context& context, const ConvShape& shape, const float* x, const float* dy, float* dw);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_CONV_CONV_TRAINING_H_
