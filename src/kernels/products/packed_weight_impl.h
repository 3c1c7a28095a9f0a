// What a PackedWeight holds. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_PACKED_WEIGHT_IMPL_H_
#define DIPTYCH_KERNELS_PRODUCTS_PACKED_WEIGHT_IMPL_H_

#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/onednn.h"
#include "kernels/products/block_gemm.h"
#include "kernels/products/narrow_gemm.h"
#include "kernels/products/packed_weight.h"

namespace diptych::kernels {

struct PackedWeight::Impl {
  ConvGeometry geometry;                                 // of a linear layer: pointwise, K to N channels
  BlockWeight blocks;                                    // where our own product computes it
  std::unique_ptr<const NarrowWeight> narrow;            // where it is packed narrower than fp32
  std::unique_ptr<const WeightedPrimitives> primitives;  // otherwise
};

/// `w` as fp32, from its own memory where that is possible, otherwise in `copy`.
const float* AsFloats(TensorView w, Tensor& copy);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_PACKED_WEIGHT_IMPL_H_
