// Batch normalisation (Ioffe and Szegedy, 2015), torch's BatchNorm2d with a momentum of 0.1: training goes by the
// statistics of the batch, inference by their running means, and there it disappears into the convolution before it.
#ifndef DIPTYCH_NN_BATCH_NORM_H_
#define DIPTYCH_NN_BATCH_NORM_H_

#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/norms/batch_norm.h"
#include "nn/param.h"

namespace diptych::nn {

/// y = x * scale + shift, one pair a channel.
struct ChannelAffine {
  std::vector<float> scale, shift;  // (C)
};

/// What the backward pass needs of a training pass, beside what went in and came out.
struct BatchNormCache {
  int64_t m = 0;  // pixels of the batch
  kernels::BatchStatistics statistics{};
};

struct BatchNormForwardArgs {
  const float* x = nullptr;                                     // (M, C)
  const float* residual = nullptr;                              // (M, C), added after the norm; null: none
  kernels::Activation activation = kernels::Activation::kNone;  // of the sum
};

struct BatchNormBackwardArgs {
  const float* x = nullptr;   // (M, C), as in the forward pass
  const float* y = nullptr;   // (M, C), what it wrote
  const float* dy = nullptr;  // (M, C)
  kernels::Activation activation = kernels::Activation::kNone;
  float* dresidual = nullptr;  // (M, C), may be dy if dx is not; null: not wanted
};

struct BatchNorm {
  BatchNorm() = default;
  BatchNorm(int64_t c, float eps)
      : gamma(Shape{c}),
        beta(Shape{c}),
        running_mean(Shape{c}, Param::Role::kBuffer),
        running_var(Shape{c}, Param::Role::kBuffer),
        eps(eps) {}

  Param gamma, beta, running_mean, running_var;  // (C)
  float eps = 0.0f;

  /// Names: prefix + "weight", "bias", "running_mean", "running_var".
  void Visit(const ParamVisitor& visit, const std::string& prefix);

  BatchNormCache Allocate(Arena& arena, int64_t m) const;
  /// y (M, C) = act(norm(x) + residual) by the batch's own statistics; y may be x or residual.
  void Forward(Context& context, const BatchNormCache& cache, const BatchNormForwardArgs& args, float* y) const;
  /// dx (M, C), may be dy. Adds to the gradients of what trains.
  void Backward(Context& context, const BatchNormCache& cache, const BatchNormBackwardArgs& args, float* dx);
  /// Moves the running statistics by a tenth of the way to those of the pass, whose variance is made unbiased first.
  void MoveStatistics(const BatchNormCache& cache);
  bool Trains() const { return gamma.trains() || beta.trains(); }

  /// gamma / sqrt(var + eps) and beta - mean * that, computed in double.
  ChannelAffine Fold() const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_BATCH_NORM_H_
