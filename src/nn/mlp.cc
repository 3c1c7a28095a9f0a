#include "nn/mlp.h"

namespace diptych::nn {

void MlpPlan::Forward(Context& context, const float* x, int64_t m, const float* residual, float* y) const {
  const Arena::Scope scope(context.arena());
  Forward(context, kernels::RowsOf(context, x, m, fc2.out, fc1.InputType()), m, residual, y);
}

void MlpPlan::Forward(Context& context, const kernels::Rows& x, int64_t m, const float* residual, float* y) const {
  const Arena::Scope scope(context.arena());
  const kernels::MutableRows hidden = kernels::AllocateRows(context.arena(), fc2.InputType(), m, fc1.out);  // (M, F)
  fc1.Forward(context, x, m, hidden, {.activation = activation});
  fc2.Forward(context, hidden, m, y, {.residual = residual});
}

Mlp::Mlp(int64_t d, int64_t f, kernels::Activation activation)
    : fc1({.in = d, .out = f}), fc2({.in = f, .out = d}), activation(activation) {}

MlpCache Mlp::Allocate(Arena& arena, int64_t m) const {
  return {m, arena.Allocate<float>(m * fc1.config.out)};
}

void Mlp::Forward(Context& context, const MlpCache& cache, const float* x, const float* residual, float* y) const {
  fc1.Forward(context, x, cache.m, cache.hidden);
  if (y == nullptr) return;
  const Arena::Scope scope(context.arena());
  const int64_t size = cache.m * fc1.config.out;
  float* activated = context.arena().Allocate<float>(size);  // (M, F)
  kernels::Activate(context, activation, cache.hidden, size, activated);
  fc2.Forward(context, activated, cache.m, y, {.residual = residual});
}

void Mlp::Backward(Context& context, const MlpCache& cache, const MlpBackwardArgs& args) {
  const Arena::Scope scope(context.arena());
  const int64_t m = cache.m, size = m * fc1.config.out;
  const bool below = args.dx != nullptr || fc1.Trains();
  float* rows = context.arena().Allocate<float>(size);  // (M, F), activated, then their gradient in their place
  // y = fc2(act(hidden)) + residual
  if (fc2.UsesInput()) kernels::Activate(context, activation, cache.hidden, size, rows);
  fc2.Backward(context, {.x = rows, .dy = args.dy, .m = m, .dx = below ? rows : nullptr});
  if (!below) return;
  kernels::ActivateBackward(context, activation, cache.hidden, rows, size, rows);
  // hidden = fc1(x)
  fc1.Backward(context, {.x = args.x, .dy = rows, .m = m, .dx = args.dx, .accumulate = args.accumulate});
}

MlpPlan Mlp::Prepare(kernels::Precision precision) const {
  return {fc1.Prepare(precision), fc2.Prepare(precision), activation};
}

}  // namespace diptych::nn
