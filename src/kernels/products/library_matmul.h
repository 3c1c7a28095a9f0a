// Products of changing operands by oneDNN's matmul. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_LIBRARY_MATMUL_H_
#define DIPTYCH_KERNELS_PRODUCTS_LIBRARY_MATMUL_H_

#include <string>

#include "core/context.h"
#include "kernels/products/matmul.h"

namespace diptych::kernels {

/// MatMul where M, N, K > 0 and not both accumulate and residual. With kBF16 the operands are converted to scratch; the
/// library needs a CPU that has that type (HasFastBf16). The first call of a shape builds its primitives; later ones
/// allocate nothing of ours.
void LibraryMatMul(Context& context, const MatMulArgs& args, Precision precision);

/// The implementation that the library takes for a product of this size; empty: none.
std::string LibraryImplementation(int64_t m, int64_t n, int64_t k, Precision precision);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_LIBRARY_MATMUL_H_
