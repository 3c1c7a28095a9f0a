// Sums of exponentials: what cross-entropies over long rows are made of.
#ifndef DIPTYCH_KERNELS_EXP_SUMS_H_
#define DIPTYCH_KERNELS_EXP_SUMS_H_

#include <cstdint>

namespace diptych::kernels {

/// log(sum of exp(factor * x_i)) for factor > 0, the largest subtracted first; -inf for n = 0. NaN where an x is.
double LogSumExp(const float* x, int64_t n, float factor);

/// y_i += weight * weights_i * exp(factor * x_i - shift - shifts_i). y must not be x.
struct ExpTerm {
  float weight = 1;
  const float* weights = nullptr;  // (N); null: ones
  float factor = 1;
  float shift = 0;
  const float* shifts = nullptr;  // (N); null: zeros
};
void AddExp(const ExpTerm& term, const float* x, int64_t n, float* y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_EXP_SUMS_H_
