#include "nn/layer_norm.h"

namespace diptych::nn {

void LayerNormPlan::Forward(Context& context, const float* x, int64_t m, float* y) const {
  const kernels::LayerNormParams params{.gamma = gamma.data(), .beta = beta.data(), .eps = eps};
  kernels::LayerNorm(context, x, m, static_cast<int64_t>(gamma.size()), params, y);
}

void LayerNormPlan::Forward(Context& context, const float* x, int64_t m, const kernels::MutableRows& y) const {
  kernels::LayerNorm(context, x, m, {.gamma = gamma.data(), .beta = beta.data(), .eps = eps}, y);
}

LayerNormCache LayerNorm::Allocate(Arena& arena, int64_t m) const {
  return {{.mean = arena.Allocate<float>(m), .inverse_deviation = arena.Allocate<float>(m)}};
}

void LayerNorm::Forward(Context& context, const LayerNormCache& cache, const float* x, int64_t m, float* y) const {
  kernels::LayerNorm(context, x, m, gamma.shape()[0], KernelParams(), y, cache.statistics);
}

void LayerNorm::Forward(Context& context, const float* x, int64_t m, float* y) const {
  kernels::LayerNorm(context, x, m, gamma.shape()[0], KernelParams(), y);
}

void LayerNorm::Backward(Context& context, const LayerNormCache& cache, const LayerNormBackwardArgs& args, float* dx) {
  // y = (x - mean) / deviation * gamma + beta
  const kernels::LayerNormBackwardArgs kernel{.x = args.x,
                                              .dy = args.dy,
                                              .m = args.m,
                                              .d = gamma.shape()[0],
                                              .params = KernelParams(),
                                              .statistics = cache.statistics,
                                              .dresidual = args.dresidual};
  kernels::LayerNormBackward(context, kernel, dx, {.dgamma = gamma.trains() ? gamma.grad() : nullptr,
                                                   .dbeta = beta.trains() ? beta.grad() : nullptr});
}

kernels::LayerNormParams LayerNorm::KernelParams() const {
  return {.gamma = gamma.floats(), .beta = beta.floats(), .eps = eps};
}

void LayerNorm::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "weight", gamma);
  visit(prefix + "bias", beta);
}

LayerNormPlan LayerNorm::Prepare() const { return {gamma.ToFloats(), beta.ToFloats(), eps}; }

}  // namespace diptych::nn
