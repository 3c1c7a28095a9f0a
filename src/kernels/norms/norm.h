// Normalisation of rows.
#ifndef DIPTYCH_KERNELS_NORMS_NORM_H_
#define DIPTYCH_KERNELS_NORMS_NORM_H_

#include <cstdint>

#include "core/context.h"
#include "kernels/rows.h"

namespace diptych::kernels {

/// y = (x - mean(x)) / sqrt(var(x) + eps) * gamma + beta over each of m rows of width d; biased variance, as torch.
/// y may be x.
struct LayerNormParams {
  const float* gamma;  // (D)
  const float* beta;   // (D)
  float eps;
};
void LayerNorm(Context& context, const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y);
/// The same into rows of any type.
void LayerNorm(Context& context, const float* x, int64_t m, const LayerNormParams& params, const MutableRows& y);

/// What LayerNorm's backward pass needs of the forward pass, beside x.
struct LayerNormStatistics {
  float* mean;               // (M)
  float* inverse_deviation;  // (M), 1 / sqrt(var + eps)
};
/// LayerNorm that keeps its statistics. y must not be x.
void LayerNorm(Context& context, const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y,
               const LayerNormStatistics& statistics);

struct LayerNormGradients {
  float* dgamma;  // (D), added to; null where it does not train
  float* dbeta;   // (D), added to; null where it does not train
};
/// dx (M, D) = dresidual (M, D; null: zeros; may be dx) + the gradient of x. dx may be dy.
/// Sums over rows are in an order that does not depend on the number of threads.
struct LayerNormBackwardArgs {
  const float* x;   // (M, D)
  const float* dy;  // (M, D)
  int64_t m, d;
  LayerNormParams params;
  LayerNormStatistics statistics;
  const float* dresidual = nullptr;
};
void LayerNormBackward(Context& context, const LayerNormBackwardArgs& args, float* dx,
                       const LayerNormGradients& gradients);

/// Each row divided by its Euclidean length, in place; torch's F.normalize: the length is at least 1e-12.
void L2Normalize(float* x, int64_t m, int64_t d);
/// The same, y (M, D) beside x, with the lengths (M) as divided by.
void L2Normalize(const float* x, int64_t m, int64_t d, float* y, float* lengths);
/// dx = (dy - y (y . dy)) / length for each row; dx may be dy.
void L2NormalizeBackward(const float* y, const float* lengths, const float* dy, int64_t m, int64_t d, float* dx);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_NORMS_NORM_H_
