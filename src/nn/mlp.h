// The two-layer perceptron of a transformer block.
#ifndef DIPTYCH_NN_MLP_H_
#define DIPTYCH_NN_MLP_H_

#include "core/context.h"
#include "nn/linear.h"

namespace diptych::nn {

struct MlpPlan {
  LinearPlan fc1, fc2;
  kernels::Activation activation = kernels::Activation::kGelu;

  /// y (M, D) = fc2(act(fc1(x))) + residual; residual may be null or y.
  void Forward(Context& context, const float* x, int64_t m, const float* residual, float* y) const;
  /// The same for rows that have the type fc1 takes.
  void Forward(Context& context, const kernels::Rows& x, int64_t m, const float* residual, float* y) const;
};

struct MlpCache {
  int64_t m = 0;
  float* hidden = nullptr;  // (M, F), before the activation
};

struct MlpBackwardArgs {
  const float* x = nullptr;   // (M, D), as in the forward pass; not read unless fc1 uses it
  const float* dy = nullptr;  // (M, D)
  float* dx = nullptr;        // (M, D), may be dy; null: not wanted
  bool accumulate = false;    // dx += instead of dx =
};

struct Mlp {
  Mlp() = default;
  Mlp(int64_t d, int64_t f, kernels::Activation activation);

  Linear fc1, fc2;  // (F, D), (D, F)
  kernels::Activation activation = kernels::Activation::kGelu;

  MlpCache Allocate(Arena& arena, int64_t m) const;
  /// The training pass: x (M, D) -> y (M, D) = fc2(act(fc1(x))) + residual, which may be null or y. y null: only what
  /// the cache keeps.
  void Forward(Context& context, const MlpCache& cache, const float* x, const float* residual, float* y) const;
  void Backward(Context& context, const MlpCache& cache, const MlpBackwardArgs& args);
  bool Trains() const { return fc1.Trains() || fc2.Trains(); }

  MlpPlan Prepare(kernels::Precision precision) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_MLP_H_
