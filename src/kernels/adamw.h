// What a training step does to a parameter's numbers once its gradient is complete.
#ifndef DIPTYCH_KERNELS_ADAMW_H_
#define DIPTYCH_KERNELS_ADAMW_H_

#include <cstdint>

#include "core/context.h"

namespace diptych::kernels {

/// AdamW (Loshchilov and Hutter 2019), operation for operation as torch.optim.AdamW, in one pass over memory:
///   w -= rate * weight_decay * w
///   m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2,   with g = gradient_factor * gradient
///   w -= rate / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
struct AdamWOptions {
  double rate = 0;
  double weight_decay = 0;
  double beta1 = 0, beta2 = 0, eps = 0;
  int64_t step = 1;           // 1 for the first one
  float gradient_factor = 1;  // clipping
};
/// All (N).
struct AdamWArrays {
  float* w;
  float* gradient;  // zeros afterwards: ready to be added to
  float* m;
  float* v;
};
void AdamW(Context& context, const AdamWOptions& options, const AdamWArrays& arrays, int64_t n);

/// The sum of x_i^2, in an order that depends on n alone. inf or NaN where an x is, and where a square overflows fp32.
double SumOfSquares(Context& context, const float* x, int64_t n);

/// y += t (x - y), as torch.lerp for t < 0.5 and nearly so above.
void Lerp(Context& context, const float* x, float t, float* y, int64_t n);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ADAMW_H_
