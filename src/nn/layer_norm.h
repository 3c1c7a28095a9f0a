// Layer normalisation over the last dimension (Ba et al., 2016), torch's nn.LayerNorm.
#ifndef DIPTYCH_NN_LAYER_NORM_H_
#define DIPTYCH_NN_LAYER_NORM_H_

#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/norms/norm.h"
#include "nn/param.h"

namespace diptych::nn {

struct LayerNormPlan {
  std::vector<float> gamma, beta;  // (D)
  float eps = 0.0f;

  /// x (M, D) -> y (M, D); y may be x.
  void Forward(Context& context, const float* x, int64_t m, float* y) const;
  /// Into rows of any type.
  void Forward(Context& context, const float* x, int64_t m, const kernels::MutableRows& y) const;
};

struct LayerNormCache {
  kernels::LayerNormStatistics statistics{};  // (M) each
};

struct LayerNormBackwardArgs {
  const float* x = nullptr;   // (M, D), as in the forward pass
  const float* dy = nullptr;  // (M, D)
  int64_t m = 0;
  const float* dresidual = nullptr;  // (M, D), what reaches x beside the norm; null: nothing; may be dx
};

struct LayerNorm {
  LayerNorm() = default;
  LayerNorm(int64_t d, float eps) : gamma(Shape{d}), beta(Shape{d}), eps(eps) {}

  Param gamma, beta;  // (D)
  float eps = 0.0f;

  LayerNormCache Allocate(Arena& arena, int64_t m) const;
  /// The training pass: x (M, D) -> y (M, D), not x.
  void Forward(Context& context, const LayerNormCache& cache, const float* x, int64_t m, float* y) const;
  /// The same rows once more, for a backward pass that did not keep them; y may be x.
  void Forward(Context& context, const float* x, int64_t m, float* y) const;
  /// -> dx (M, D), may be dy; adds to the gradients of what trains.
  void Backward(Context& context, const LayerNormCache& cache, const LayerNormBackwardArgs& args, float* dx);
  bool Trains() const { return gamma.trains() || beta.trains(); }

  /// Names: prefix + "weight", prefix + "bias".
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  LayerNormPlan Prepare() const;

 private:
  kernels::LayerNormParams KernelParams() const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_LAYER_NORM_H_
