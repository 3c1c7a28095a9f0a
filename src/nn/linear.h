// A fully connected layer.
#ifndef DIPTYCH_NN_LINEAR_H_
#define DIPTYCH_NN_LINEAR_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/products/gemm.h"
#include "nn/lora.h"
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

  /// The same for rows that have the type the weight takes. y: fp32, or the type of the layer that reads it.
  void Forward(Context& context, const kernels::Rows& x, int64_t m, const kernels::MutableRows& y,
               const Options& options) const;
  void Forward(Context& context, const kernels::Rows& x, int64_t m, float* y, const Options& options) const {
    Forward(context, x, m, kernels::FloatRows(y, out), options);
  }
  kernels::Precision InputType() const { return kernels::InputType(w); }

 private:
  kernels::Epilogue EpilogueOf(const Options& options) const {
    return {.bias = b.empty() ? nullptr : b.data(), .residual = options.residual, .activation = options.activation};
  }
};

struct LinearConfig {
  int64_t in = 0, out = 0;
  bool bias = true;
  kernels::WeightOrder order = kernels::WeightOrder::kOutIn;
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
  std::optional<Lora> lora;

  /// To train an adapter alone, freeze the rest. REQUIRES: none yet.
  void AddLora(const LoraOptions& options);
  /// Adds the adapter, if there is one, to the weight and removes it.
  void MergeLora();

  /// The training pass: x (M, K) -> y (M, N) = x Wᵀ + b + residual.
  void Forward(Context& context, const float* x, int64_t m, float* y, const LinearForwardOptions& options = {}) const;
  /// Adds to the gradients of what trains.
  void Backward(Context& context, const LinearBackwardArgs& args);
  bool Trains() const { return UsesInput() || b.trains(); }
  bool UsesInput() const { return w.trains() || (lora && lora->Trains()); }

  /// Names: prefix + "weight", prefix + "bias", and the adapter's.
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  /// A plan has the adapter merged into its weight.
  LinearPlan Prepare(kernels::Precision precision) const;
  /// Only the outputs [begin, end) of the layer, as a layer of its own.
  LinearPlan PrepareRows(kernels::Precision precision, int64_t begin, int64_t end) const;

 private:
  void ConsumeWeight(const std::function<void(TensorView)>& f) const;
};

/// Called with the name of a layer, which its parameters' names begin with: to choose where adapters go.
using LinearVisitor = std::function<void(const std::string& name, Linear& linear)>;

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_LINEAR_H_
