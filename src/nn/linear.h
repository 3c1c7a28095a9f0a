// A fully connected layer.
#ifndef DIPTYCH_NN_LINEAR_H_
#define DIPTYCH_NN_LINEAR_H_

#include <cstdint>
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

/// The outputs [begin, end) of a layer, as a layer of its own; by default all. REQUIRES: kOutIn, unless all.
struct OutputRange {
  int64_t begin = 0, end = 0;
};

struct LinearForwardOptions {
  const float* residual = nullptr;  // (M, N), added to y; may be y
  OutputRange outputs;
};

struct LinearBackwardArgs {
  const float* x = nullptr;   // (M, K), as in the forward pass; not read unless UsesInput()
  const float* dy = nullptr;  // (M, N)
  int64_t m = 0;
  float* dx = nullptr;      // (M, K), may be x; null: not wanted
  bool accumulate = false;  // dx += instead of dx =
  OutputRange outputs;
};

struct Linear {
  Linear() = default;
  explicit Linear(const LinearConfig& config);

  LinearConfig config;
  Param w;  // (N, K), or (K, N) with kInOut
  Param b;  // (N)

  /// The training pass: x (M, K) -> y (M, N) = x Wᵀ + b + residual.
  void Forward(Context& context, const float* x, int64_t m, float* y, const LinearForwardOptions& options = {}) const;
  /// Adds to the gradients of what trains.
  void Backward(Context& context, const LinearBackwardArgs& args);
  bool Trains() const { return w.trains() || b.trains(); }
  bool UsesInput() const { return w.trains(); }

  /// Names: prefix + "weight", prefix + "bias".
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  LinearPlan Prepare(kernels::Precision precision) const;
  /// Only the outputs [begin, end) of the layer, as a layer of its own.
  LinearPlan PrepareRows(kernels::Precision precision, int64_t begin, int64_t end) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_LINEAR_H_
