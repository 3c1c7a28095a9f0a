// Products whose operands are narrower than fp32: bf16, or u8 rows with s8 weights. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_NARROW_GEMM_H_
#define DIPTYCH_KERNELS_PRODUCTS_NARROW_GEMM_H_

#include <vector>

#include "core/context.h"
#include "core/tensor.h"
#include "kernels/products/gemm.h"
#include "kernels/rows.h"

namespace diptych::kernels {

/// W (N, K) in groups of `group` columns of y; the last group may be smaller.
struct NarrowWeight {
  Precision precision = Precision::kBF16;
  int64_t n = 0, k = 0;
  int64_t group = 0;
  std::vector<Tensor> packed;  // bytes, one for each group, for the library; or
  Tensor tiles;                // all of them, for our own product of tiles
  // kInt8: W = scale * levels, and the sum of a row's levels times the zero point of x.
  std::vector<float> scales;     // (N)
  std::vector<int32_t> offsets;  // (N)
};

/// What a product of this precision is computed in on this CPU: fp32 where bf16 would be slower.
Precision EffectivePrecision(Precision precision);

/// The scale of each int8 row is the best of a few in squared error, so that lone large weights cost the others less.
NarrowWeight PackNarrow(const float* w, int64_t n, int64_t k, WeightOrder order, Precision precision);

/// y (M, N) = act(x Wᵀ + b + residual), as Linear: in fp32, or in the type of the product that reads it next.
void NarrowLinear(Context& context, const Rows& x, int64_t m, const NarrowWeight& w, const Epilogue& epilogue,
                  const MutableRows& y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_NARROW_GEMM_H_
