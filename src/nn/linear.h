// A fully connected layer.
#ifndef DIPTYCH_NN_LINEAR_H_
#define DIPTYCH_NN_LINEAR_H_

#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/gemm.h"
#include "nn/param.h"

namespace diptych::nn {

/// Packed for inference: y = act(x Wᵀ + b + residual).
struct LinearPlan {
  kernels::PackedWeight w;
  std::vector<float> b;  // (N), empty without bias
  int64_t out = 0;       // N

  struct Options {
    const float* residual = nullptr;  // (M, N), may be y
    kernels::Activation activation = kernels::Activation::kNone;
  };
  /// x (M, K) -> y (M, N).
  void Forward(Context& context, const float* x, int64_t m, float* y, const Options& options) const;
  void Forward(Context& context, const float* x, int64_t m, float* y) const { Forward(context, x, m, y, Options{}); }
};

struct LinearConfig {
  int64_t in = 0, out = 0;
  bool bias = true;
  kernels::WeightOrder order = kernels::WeightOrder::kOutIn;
};

struct Linear {
  Linear() = default;
  explicit Linear(const LinearConfig& config);

  LinearConfig config;
  Param w;  // (N, K), or (K, N) with kInOut
  Param b;  // (N)

  /// Names: prefix + "weight", prefix + "bias".
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  LinearPlan Prepare(kernels::Precision precision) const;
  /// Only the outputs [begin, end) of the layer, as a layer of its own.
  LinearPlan PrepareRows(kernels::Precision precision, int64_t begin, int64_t end) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_LINEAR_H_
