// Who computes the product of rows with a constant weight, decided when the weight is packed. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_PRODUCT_H_
#define DIPTYCH_KERNELS_PRODUCTS_PRODUCT_H_

#include "core/context.h"
#include "kernels/products/gemm.h"

namespace diptych::kernels {

enum class Product : uint8_t {
  kLibrary,  // oneDNN's matmul
  kBlocks,   // our own, block_gemm.h
};

/// The faster one on this CPU for W (N, K).
Product FasterProduct(int64_t n, int64_t k);

/// Packs `w` for it, as a linear layer or a pointwise convolution.
PackedWeight PackProduct(const float* w, int64_t n, int64_t k, WeightOrder order, Product product);

/// Packs `w` for the fastest product of a precision.
PackedWeight PackMatrix(const float* w, int64_t n, int64_t k, WeightOrder order, Precision precision);

/// The product of m rows with what PackProduct packed.
void RunProduct(Context& context, const float* x, int64_t m, const PackedWeight& w, const Epilogue& epilogue, float* y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_PRODUCT_H_
