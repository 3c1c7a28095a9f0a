#include "nn/mlp.h"

namespace diptych::nn {

void MlpPlan::Forward(Context& context, const float* x, int64_t m, const float* residual, float* y) const {
  const Arena::Scope scope(context.arena());
  float* hidden = context.arena().Allocate<float>(m * fc1.out);  // (M, F)
  fc1.Forward(context, x, m, hidden, {.activation = activation});
  fc2.Forward(context, hidden, m, y, {.residual = residual});
}

Mlp::Mlp(int64_t d, int64_t f, kernels::Activation activation)
    : fc1({.in = d, .out = f}), fc2({.in = f, .out = d}), activation(activation) {}

MlpPlan Mlp::Prepare(kernels::Precision precision) const {
  return {fc1.Prepare(precision), fc2.Prepare(precision), activation};
}

}  // namespace diptych::nn
