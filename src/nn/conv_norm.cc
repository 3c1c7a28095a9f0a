#include "nn/conv_norm.h"

#include <utility>

namespace diptych::nn {

MapSize ConvPlan::OutputSize(const MapSize& in) const {
  return {in.b, geometry.OutSize(in.h, geometry.kernel_h), geometry.OutSize(in.w, geometry.kernel_w),
          geometry.out_channels};
}

void ConvPlan::Forward(Context& context, const float* x, const MapSize& in, const float* residual, float* y) const {
  CHECK_EQ(in.c, geometry.in_channels);
  const kernels::Epilogue epilogue{.bias = b.data(), .residual = residual, .activation = activation};
  kernels::Conv(context, x, in.b, in.h, in.w, w, epilogue, y);
}

ConvNorm::ConvNorm(const kernels::ConvGeometry& geometry, float batch_norm_eps, kernels::Activation activation)
    : geometry(geometry),
      activation(activation),
      w(Shape{geometry.out_channels, geometry.in_channels / geometry.groups, geometry.kernel_h, geometry.kernel_w}),
      norm(geometry.out_channels, batch_norm_eps) {}

void ConvNorm::Visit(const ParamVisitor& visit, const std::string& conv_prefix, const std::string& norm_prefix) {
  visit(conv_prefix + "weight", w);
  norm.Visit(visit, norm_prefix);
}

ConvPlan ConvNorm::Prepare(kernels::Precision precision) const {
  ChannelAffine affine = norm.Fold();
  ConvPlan plan{.geometry = geometry, .b = std::move(affine.shift), .activation = activation};
  w.Consume([&](TensorView view) { plan.w = kernels::PackConv(view, geometry, affine.scale.data(), precision); });
  return plan;
}

}  // namespace diptych::nn
