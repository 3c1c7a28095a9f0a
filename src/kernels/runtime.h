// What the kernels run on, for people and for tests.
#ifndef DIPTYCH_KERNELS_RUNTIME_H_
#define DIPTYCH_KERNELS_RUNTIME_H_

#include <string>
#include <vector>

namespace diptych::kernels {

/// The environment's DIPTYCH_MAX_ISA, read when the program starts, keeps both the library and our own kernels to older
/// instructions than the CPU has: sse4, avx2, avx512, avx512_vnni or avx512_bf16. For tests, and to compare.

/// "oneDNN 3.2.0, AVX2": the library, and the widest vectors that our own kernels use on this CPU.
std::string RuntimeDescription();

/// The implementations of all matrix products and convolutions in use so far in this process: the library's names, e.g.
/// "brgconv:avx2", and "diptych:block_gemm" for our own. None may be a reference one ("ref:any"); a test reads this.
std::vector<std::string> ImplementationsInUse();

/// Whether this CPU multiplies bf16 faster than fp32 (AVX512-BF16, AMX): otherwise a product in kBF16 gains nothing.
bool HasFastBf16();

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_RUNTIME_H_
