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
};

struct Mlp {
  Mlp() = default;
  Mlp(int64_t d, int64_t f, kernels::Activation activation);

  Linear fc1, fc2;  // (F, D), (D, F)
  kernels::Activation activation = kernels::Activation::kGelu;

  MlpPlan Prepare(kernels::Precision precision) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_MLP_H_
