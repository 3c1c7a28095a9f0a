#include "nn/conv_norm.h"

#include <utility>

namespace diptych::nn {

namespace {

MapSize OutputOf(const kernels::ConvGeometry& g, const MapSize& in) {
  return {in.b, g.OutSize(in.h, g.kernel_h), g.OutSize(in.w, g.kernel_w), g.out_channels};
}

}  // namespace

MapSize ConvPlan::OutputSize(const MapSize& in) const {
  return OutputOf(geometry, in);
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

MapSize ConvNorm::OutputSize(const MapSize& in) const {
  return OutputOf(geometry, in);
}

ConvNormCache ConvNorm::Allocate(Arena& arena, const MapSize& in) const {
  const MapSize out = OutputSize(in);
  return {.in = in,
          .out = out,
          .z = arena.Allocate<float>(out.NumElements()),
          .norm = norm.Allocate(arena, out.b * out.h * out.w)};
}

void ConvNorm::Forward(Context& context, const ConvNormCache& cache, const ConvNormForwardArgs& args, float* y) {
  CHECK_EQ(cache.in.c, geometry.in_channels);
  const kernels::ConvShape shape{.geometry = geometry, .b = cache.in.b, .h = cache.in.h, .w = cache.in.w};
  kernels::TrainingConv(context, shape, args.x, w.floats(), cache.z);
  norm.Forward(context, cache.norm, {.x = cache.z, .residual = args.residual, .activation = activation}, y);
  if (args.statistics == Statistics::kMove) norm.MoveStatistics(cache.norm);
}

void ConvNorm::Backward(Context& context, const ConvNormCache& cache, const ConvNormBackwardArgs& args) {
  const Arena::Scope scope(context.arena());
  // y = act(norm(z) + residual)
  float* dz = args.residual ? context.arena().Allocate<float>(cache.out.NumElements()) : args.dy;
  norm.Backward(context, cache.norm,
                {.x = cache.z,
                 .y = args.y,
                 .dy = args.dy,
                 .activation = activation,
                 .dresidual = args.residual ? args.dy : nullptr},
                dz);
  // z = conv(x)
  const kernels::ConvShape shape{.geometry = geometry, .b = cache.in.b, .h = cache.in.h, .w = cache.in.w};
  if (w.trains()) kernels::ConvBackwardWeights(context, shape, args.x, dz, w.grad());
  if (args.dx != nullptr) kernels::ConvBackwardData(context, shape, dz, w.floats(), args.dx, args.mode);
}

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

kernels::PanelWeight ConvNorm::PreparePanels() const {
  CHECK(activation == kernels::Activation::kNone || activation == kernels::Activation::kRelu6);
  const ChannelAffine affine = norm.Fold();
  kernels::PanelWeight packed;
  w.Consume([&](TensorView view) {
    packed = kernels::PackPanelWeight(view, affine.scale.data(), affine.shift.data(),
                                      activation == kernels::Activation::kRelu6);
  });
  return packed;
}

kernels::PanelFilter ConvNorm::PrepareFilter() const {
  CHECK(activation == kernels::Activation::kRelu6);
  const ChannelAffine affine = norm.Fold();
  kernels::PanelFilter packed;
  w.Consume([&](TensorView view) {
    packed = kernels::PackPanelFilter(view, geometry.stride, affine.scale.data(), affine.shift.data());
  });
  return packed;
}

}  // namespace diptych::nn
