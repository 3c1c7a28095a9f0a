// The yardstick of every speed: how fast this CPU multiplies matrices right now.
#ifndef DIPTYCH_KERNELS_PEAK_H_
#define DIPTYCH_KERNELS_PEAK_H_

#include <string>
#include <vector>

#include "core/context.h"

namespace diptych::kernels {

struct MatmulPeak {
  std::string precision;  // "fp32", "bf16", "int8" (unsigned by signed bytes)
  double gflops = 0;      // 10^9 multiplications and additions a second
};

/// Square 2048^3 products with the context's threads, the best of `seconds` each. fp32 is the better of the library's
/// matrix product and our own, so that a fraction of it flatters nobody. Precisions that this CPU has no fast
/// implementation of are left out.
std::vector<MatmulPeak> MeasureMatmulPeaks(Context& context, double seconds);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PEAK_H_
