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

/// The implementations of all matrix products and convolutions in use so far in this process: the library's names, e.g.
/// "brgconv:avx2", and "diptych:block_gemm" for our own. None may be a reference one ("ref:any"); a test reads this.
std::vector<std::string> ImplementationsInUse();

/// GFLOP/s of a square 2048^3 matrix product with these threads, best of some seconds: the yardstick of every speed.
double MatmulPeakGflops(Context& context, Precision precision);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_RUNTIME_H_
