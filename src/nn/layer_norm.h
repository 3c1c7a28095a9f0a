// Layer normalisation over the last dimension (Ba et al., 2016), torch's nn.LayerNorm.
#ifndef DIPTYCH_NN_LAYER_NORM_H_
#define DIPTYCH_NN_LAYER_NORM_H_

#include <string>
#include <vector>

#include "core/context.h"
#include "nn/param.h"

namespace diptych::nn {

struct LayerNormPlan {
  std::vector<float> gamma, beta;  // (D)
  float eps = 0.0f;

  /// x (M, D) -> y (M, D); y may be x.
  void Forward(Context& context, const float* x, int64_t m, float* y) const;
};

struct LayerNorm {
  LayerNorm() = default;
  LayerNorm(int64_t d, float eps) : gamma(Shape{d}), beta(Shape{d}), eps(eps) {}

  Param gamma, beta;  // (D)
  float eps = 0.0f;

  /// Names: prefix + "weight", prefix + "bias".
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  LayerNormPlan Prepare() const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_LAYER_NORM_H_
