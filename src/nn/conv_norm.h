// Convolution, batch norm, activation: the unit that convolutional towers are made of.
#ifndef DIPTYCH_NN_CONV_NORM_H_
#define DIPTYCH_NN_CONV_NORM_H_

#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/conv.h"
#include "nn/batch_norm.h"
#include "nn/param.h"

namespace diptych::nn {

/// The shape of channels-last maps (B, H, W, C).
struct MapSize {
  int64_t b = 0;
  int h = 0, w = 0, c = 0;
  int64_t NumElements() const { return b * h * w * c; }
};

/// Batch norm folded into the weight, bias and activation fused.
struct ConvPlan {
  kernels::ConvGeometry geometry;
  kernels::PackedWeight w;
  std::vector<float> b;  // (OC)
  kernels::Activation activation = kernels::Activation::kNone;

  MapSize OutputSize(const MapSize& in) const;
  /// x (B, H, W, C) -> y (B, H', W', OC); `residual` has y's shape and may be null or y.
  void Forward(Context& context, const float* x, const MapSize& in, const float* residual, float* y) const;
};

struct ConvNorm {
  ConvNorm() = default;
  ConvNorm(const kernels::ConvGeometry& geometry, float batch_norm_eps, kernels::Activation activation);

  kernels::ConvGeometry geometry;
  kernels::Activation activation = kernels::Activation::kNone;
  Param w;  // (OC, C/groups, KH, KW)
  BatchNorm norm;

  /// Two prefixes, for a convolution and its norm are siblings in every checkpoint: "…conv_dw.", "…bn1.".
  void Visit(const ParamVisitor& visit, const std::string& conv_prefix, const std::string& norm_prefix);
  ConvPlan Prepare(kernels::Precision precision) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_CONV_NORM_H_
