// What the kernels run on, for people and for tests.
#ifndef DIPTYCH_KERNELS_RUNTIME_H_
#define DIPTYCH_KERNELS_RUNTIME_H_

#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/packed_weight.h"

namespace diptych::kernels {

/// "oneDNN 3.2.0, AVX2": the library, and the widest vectors that our own kernels use on this CPU.
std::string RuntimeDescription();

/// The implementations of all library primitives built so far in this process, e.g. "brgconv_1x1:avx2". None may be a
/// reference one ("ref:any"); a test reads this.
std::vector<std::string> ImplementationsInUse();

/// GFLOP/s of a square 2048^3 matrix product with these threads, best of some seconds: the yardstick of every speed.
double MatmulPeakGflops(Context& context, Precision precision);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_RUNTIME_H_
