#include "nn/layer_norm.h"

#include "kernels/norm.h"

namespace diptych::nn {

void LayerNormPlan::Forward(Context& context, const float* x, int64_t m, float* y) const {
  const kernels::LayerNormParams params{.gamma = gamma.data(), .beta = beta.data(), .eps = eps};
  kernels::LayerNorm(context, x, m, static_cast<int64_t>(gamma.size()), params, y);
}

void LayerNorm::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "weight", gamma);
  visit(prefix + "bias", beta);
}

LayerNormPlan LayerNorm::Prepare() const { return {gamma.ToFloats(), beta.ToFloats(), eps}; }

}  // namespace diptych::nn
