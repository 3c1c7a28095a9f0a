// Softmax over rows.
#ifndef DIPTYCH_KERNELS_SOFTMAX_H_
#define DIPTYCH_KERNELS_SOFTMAX_H_

#include <cstdint>

namespace diptych::kernels {

/// In place over each of m rows of n values, the row's maximum subtracted first. A row of -inf only becomes zeros.
void Softmax(float* x, int64_t m, int64_t n);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_SOFTMAX_H_
