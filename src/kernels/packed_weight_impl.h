// What a PackedWeight holds. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PACKED_WEIGHT_IMPL_H_
#define DIPTYCH_KERNELS_PACKED_WEIGHT_IMPL_H_

#include <span>

#include "kernels/conv.h"
#include "kernels/onednn.h"
#include "kernels/packed_weight.h"

namespace diptych::kernels {

struct PackedWeight::Impl {
  enum class Kind { kLinear, kConv };

  Kind kind;
  ConvGeometry geometry;  // of a linear layer: pointwise, K to N channels
  WeightedPrimitives primitives;
};

/// Plans convolutions of one geometry; a linear layer may be one too.
PlanPrimitive ConvolutionPlanner(const ConvGeometry& geometry);

/// Runs one piece: residual into y where it is not there yet, then the primitive. `y_size` is y's number of values.
void RunPacked(Context& context, const PackedWeight::Impl& impl, PrimitiveKey key, const float* x,
               const Epilogue& epilogue, std::span<float> y);

/// `w` as fp32, from its own memory where that is possible, otherwise in `copy`.
const float* AsFloats(TensorView w, Tensor& copy);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PACKED_WEIGHT_IMPL_H_
