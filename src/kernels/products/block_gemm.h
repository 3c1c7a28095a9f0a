// Our own matrix product, for CPUs whose library product is slower. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_BLOCK_GEMM_H_
#define DIPTYCH_KERNELS_PRODUCTS_BLOCK_GEMM_H_

#include "core/context.h"
#include "core/tensor.h"
#include "kernels/products/gemm.h"
#include "kernels/products/matmul.h"

namespace diptych::kernels {

/// W (N, K) in panels for this CPU's vectors.
struct BlockWeight {
  int64_t n = 0, k = 0;
  Tensor panels;
};

BlockWeight PackBlocks(const float* w, int64_t n, int64_t k, WeightOrder order);

/// y = act(x W^T + b + residual), as Linear. Allocates from the arena alone, whatever m is.
void BlockLinear(Context& context, const float* x, int64_t m, const BlockWeight& w, const Epilogue& epilogue, float* y);

/// MatMul where M, N, K > 0 and not both accumulate and residual. B's panels are scratch, packed anew in each call.
void BlockMatMul(Context& context, const MatMulArgs& args);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_BLOCK_GEMM_H_
