// Matrix products with a constant weight: y = act(x Wᵀ + b + residual).
#ifndef DIPTYCH_KERNELS_PRODUCTS_GEMM_H_
#define DIPTYCH_KERNELS_PRODUCTS_GEMM_H_

#include "core/context.h"
#include "core/tensor.h"
#include "kernels/activation.h"
#include "kernels/products/packed_weight.h"
#include "kernels/rows.h"

namespace diptych::kernels {

/// How a checkpoint stores the weight of a matrix product with K inputs and N outputs.
enum class WeightOrder : uint8_t {
  kOutIn,  // (N, K), torch's Linear
  kInOut,  // (K, N), CLIP's projections: y = x P
};

/// Everything that happens to a product before it is stored. Pointers may be null.
struct Epilogue {
  const float* bias = nullptr;      // (N)
  const float* residual = nullptr;  // (M, N), may be y itself; added before the activation
  Activation activation = Activation::kNone;
};

/// Packs `w` (fp32, fp16 or bf16; any alignment) once. Nothing of `w` is kept. kBF16 is fp32 on a CPU without it.
PackedWeight PackLinear(TensorView w, WeightOrder order, Precision precision = Precision::kF32);

/// x (M, K) and y (M, N) are dense fp32 rows. M = 0 is allowed. The first call for a row count builds what it needs;
/// later calls allocate nothing.
void Linear(Context& context, const float* x, int64_t m, const PackedWeight& w, const Epilogue& epilogue, float* y);

/// The type of the rows that the weight's product takes; the overload above converts them.
Precision InputType(const PackedWeight& w);
/// The same for rows that have that type already. y: fp32, or the type of a product that reads it next.
void Linear(Context& context, const Rows& x, int64_t m, const PackedWeight& w, const Epilogue& epilogue,
            const MutableRows& y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_GEMM_H_
