// Matrix products of training, whose operands all change from step to step: C = op(A) op(B), nothing packed to last.
#ifndef DIPTYCH_KERNELS_PRODUCTS_MATMUL_H_
#define DIPTYCH_KERNELS_PRODUCTS_MATMUL_H_

#include <cstdint>

#include "core/context.h"

namespace diptych::kernels {

/// Dense, row-major fp32. In the precision of the context: with kBF16, A and B are rounded to bf16 and summed in fp32.
struct MatMulArgs {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;  // (M, K), or (K, M) where transpose_a
  bool transpose_a = false;
  const float* b = nullptr;  // (K, N), or (N, K) where transpose_b
  bool transpose_b = false;
  float* c = nullptr;               // (M, N)
  bool accumulate = false;          // C += instead of C =
  const float* bias = nullptr;      // (N), added to each row; null: none
  const float* residual = nullptr;  // (M, N), may be c; null: none
};

/// Scratch comes from the context's arena; the steady state allocates nothing. M, N and K may be 0 (K = 0: a sum of
/// nothing).
void MatMul(Context& context, const MatMulArgs& args);

/// sums (N) += the column sums of x (M, N): a bias's gradient. The order of summation depends on M alone, not on the
/// number of threads.
void AddColumnSums(Context& context, const float* x, int64_t m, int64_t n, float* sums);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_MATMUL_H_
