// Normalisation of rows.
#ifndef DIPTYCH_KERNELS_NORM_H_
#define DIPTYCH_KERNELS_NORM_H_

#include <cstdint>

#include "core/context.h"

namespace diptych::kernels {

/// y = (x - mean(x)) / sqrt(var(x) + eps) * gamma + beta over each of m rows of width d; biased variance, as torch.
/// y may be x.
struct LayerNormParams {
  const float* gamma;  // (D)
  const float* beta;   // (D)
  float eps;
};
void LayerNorm(Context& context, const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y);

/// Each row divided by its Euclidean length, in place; torch's F.normalize: the length is at least 1e-12.
void L2Normalize(float* x, int64_t m, int64_t d);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_NORM_H_
