// Batch normalisation in training (Ioffe and Szegedy, 2015): each channel by its statistics over a batch's pixels. For
// inference it is folded into the convolution before it.
#ifndef DIPTYCH_KERNELS_NORMS_BATCH_NORM_H_
#define DIPTYCH_KERNELS_NORMS_BATCH_NORM_H_

#include <cstdint>

#include "core/context.h"
#include "kernels/activation.h"

namespace diptych::kernels {

struct BatchNormParams {
  const float* gamma;  // (C)
  const float* beta;   // (C)
  float eps;
};

struct BatchStatistics {
  float* mean;      // (C)
  float* variance;  // (C), biased: divided by M
};

/// M pixels of C channels, and what follows the norm.
struct BatchNormArgs {
  const float* x;  // (M, C)
  int64_t m, c;
  BatchNormParams params;
  BatchStatistics statistics;                 // the forward pass writes them
  Activation activation = Activation::kNone;  // or kRelu, kRelu6: those whose derivative their value tells
};

/// y (M, C) = act((x - mean) / sqrt(variance + eps) * gamma + beta + residual), residual (M, C) or null. y may be x or
/// residual. Sums are in an order that does not depend on the number of threads, here and below. REQUIRES: M > 0.
void BatchNorm(Context& context, const BatchNormArgs& args, const float* residual, float* y);

struct BatchNormGradients {
  float* dgamma = nullptr;     // (C), added to; null where it does not train
  float* dbeta = nullptr;      // (C), added to; null where it does not train
  float* dresidual = nullptr;  // (M, C), written, may be dy if dx is not; null: not wanted
};

/// dx (M, C) = the gradient of x; dx may be dy. y is what the forward pass wrote, not
/// read without an activation.
void BatchNormBackward(Context& context, const BatchNormArgs& args, const float* y, const float* dy, float* dx,
                       const BatchNormGradients& gradients);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_NORMS_BATCH_NORM_H_
