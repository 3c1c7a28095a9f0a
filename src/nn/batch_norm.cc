#include "nn/batch_norm.h"

#include <algorithm>
#include <cmath>

namespace diptych::nn {

namespace {

kernels::BatchNormArgs KernelArgs(const BatchNorm& norm, const BatchNormCache& cache, const float* x,
                                  kernels::Activation activation) {
  return {.x = x,
          .m = cache.m,
          .c = norm.gamma.shape()[0],
          .params = {norm.gamma.floats(), norm.beta.floats(), norm.eps},
          .statistics = cache.statistics,
          .activation = activation};
}

// running = 0.9 running + 0.1 now
void Move(Param& running, const float* now, double factor) {
  constexpr double kMomentum = 0.1;
  float* value = running.MutableValue().mutable_data<float>();
  for (int64_t c = 0; c < running.shape()[0]; ++c) {
    value[c] = static_cast<float>((1.0 - kMomentum) * value[c] + kMomentum * factor * now[c]);
  }
}

}  // namespace

BatchNormCache BatchNorm::Allocate(Arena& arena, int64_t m) const {
  const int64_t c = gamma.shape()[0];
  return {.m = m, .statistics = {.mean = arena.Allocate<float>(c), .variance = arena.Allocate<float>(c)}};
}

void BatchNorm::Forward(Context& context, const BatchNormCache& cache, const BatchNormForwardArgs& args,
                        float* y) const {
  kernels::BatchNorm(context, KernelArgs(*this, cache, args.x, args.activation), args.residual, y);
}

// y = act((x - mean) / deviation * gamma + beta + residual)
void BatchNorm::Backward(Context& context, const BatchNormCache& cache, const BatchNormBackwardArgs& args, float* dx) {
  const kernels::BatchNormGradients gradients{.dgamma = gamma.trains() ? gamma.grad() : nullptr,
                                              .dbeta = beta.trains() ? beta.grad() : nullptr,
                                              .dresidual = args.dresidual};
  kernels::BatchNormBackward(context, KernelArgs(*this, cache, args.x, args.activation), args.y, args.dy, dx,
                             gradients);
}

// torch refuses a batch of a single pixel, whose variance has no unbiased estimate; here it counts as it is.
void BatchNorm::MoveStatistics(const BatchNormCache& cache) {
  Move(running_mean, cache.statistics.mean, 1.0);
  Move(running_var, cache.statistics.variance,
       static_cast<double>(cache.m) / static_cast<double>(std::max<int64_t>(cache.m - 1, 1)));
}

void BatchNorm::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "weight", gamma);
  visit(prefix + "bias", beta);
  visit(prefix + "running_mean", running_mean);
  visit(prefix + "running_var", running_var);
}

ChannelAffine BatchNorm::Fold() const {
  const std::vector<float> g = gamma.ToFloats(), b = beta.ToFloats();
  const std::vector<float> mean = running_mean.ToFloats(), var = running_var.ToFloats();
  ChannelAffine affine{std::vector<float>(g.size()), std::vector<float>(g.size())};
  for (size_t c = 0; c < g.size(); ++c) {
    const double scale = g[c] / std::sqrt(static_cast<double>(var[c]) + eps);
    affine.scale[c] = static_cast<float>(scale);
    affine.shift[c] = static_cast<float>(b[c] - mean[c] * scale);
  }
  return affine;
}

}  // namespace diptych::nn
