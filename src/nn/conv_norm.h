// Convolution, batch norm, activation: the unit that convolutional towers are made of.
#ifndef DIPTYCH_NN_CONV_NORM_H_
#define DIPTYCH_NN_CONV_NORM_H_

#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/conv_training.h"
#include "kernels/panels/panel_filter.h"
#include "kernels/panels/panel_product.h"
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

/// What the backward pass needs of a training pass, beside what went in and came out.
struct ConvNormCache {
  MapSize in, out;
  float* z = nullptr;  // (B, H', W', OC), what came out of the convolution
  BatchNormCache norm;
};

/// Whether a training pass moves the running statistics: a pass that repeats another one does not.
enum class Statistics : uint8_t { kStay, kMove };

struct ConvNormForwardArgs {
  const float* x = nullptr;         // (B, H, W, C)
  const float* residual = nullptr;  // as y, added before the activation; null: none
  Statistics statistics = Statistics::kStay;
};

struct ConvNormBackwardArgs {
  const float* x = nullptr;                            // (B, H, W, C), as in the forward pass
  const float* y = nullptr;                            // (B, H', W', OC), what it wrote; not read without an activation
  float* dy = nullptr;                                 // as y; overwritten
  bool residual = false;                               // dy becomes the gradient of the residual
  float* dx = nullptr;                                 // as x; null: not wanted
  kernels::Gradient mode = kernels::Gradient::kWrite;  // of dx
};

struct ConvNorm {
  ConvNorm() = default;
  ConvNorm(const kernels::ConvGeometry& geometry, float batch_norm_eps, kernels::Activation activation);

  kernels::ConvGeometry geometry;
  kernels::Activation activation = kernels::Activation::kNone;
  Param w;  // (OC, C/groups, KH, KW)
  BatchNorm norm;

  MapSize OutputSize(const MapSize& in) const;
  ConvNormCache Allocate(Arena& arena, const MapSize& in) const;
  /// The training pass: y = act(norm(conv(x)) + residual), by the batch's own statistics; y may be residual.
  void Forward(Context& context, const ConvNormCache& cache, const ConvNormForwardArgs& args, float* y);
  /// Adds to the gradients of what trains.
  void Backward(Context& context, const ConvNormCache& cache, const ConvNormBackwardArgs& args);
  bool Trains() const { return w.trains() || norm.Trains(); }

  /// Two prefixes, for a convolution and its norm are siblings in every checkpoint: "…conv_dw.", "…bn1.".
  void Visit(const ParamVisitor& visit, const std::string& conv_prefix, const std::string& norm_prefix);
  ConvPlan Prepare(kernels::Precision precision) const;
  /// The same over maps in panels. REQUIRES: pointwise, or 3x3 over three colours; no activation, or ReLU6.
  kernels::PanelWeight PreparePanels() const;
  /// REQUIRES: depthwise, kernels::IsPanelFilter, ReLU6.
  kernels::PanelFilter PrepareFilter() const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_CONV_NORM_H_
