// A low-rank adapter of a fully connected layer (Hu et al., 2021): y += scale (x Aᵀ) Bᵀ.
#ifndef DIPTYCH_NN_LORA_H_
#define DIPTYCH_NN_LORA_H_

#include <cstdint>
#include <string>

#include "core/context.h"
#include "kernels/products/gemm.h"
#include "nn/param.h"

namespace diptych::nn {

/// The outputs [begin, end) of a layer, as a layer of its own; by default all. REQUIRES: kOutIn, unless all.
struct OutputRange {
  int64_t begin = 0, end = 0;
};

struct LoraOptions {
  int rank = 8;                   // R
  float alpha = 16.0f;            // scale = alpha / R
  uint64_t seed = 0, stream = 0;  // of A's start; each layer wants a stream of its own
};

struct LoraBackwardArgs {
  const float* x = nullptr;   // (M, K)
  const float* dy = nullptr;  // (M, N)
  int64_t m = 0;
};

struct Lora {
  /// Starts as peft's does: A uniform within 1 / sqrt(K), B zeros.
  Lora(int64_t in, int64_t out, const LoraOptions& options);

  Param a;  // (R, K)
  Param b;  // (N, R)
  float scale;

  /// y (M, N) += scale (x Aᵀ) Bᵀ for x (M, K). `outputs` are resolved.
  void Forward(Context& context, const float* x, int64_t m, float* y, const OutputRange& outputs) const;
  /// Adds to the gradients of what trains. Returns the gradient of x Aᵀ, (M, R), in the caller's arena scope.
  const float* Backward(Context& context, const LoraBackwardArgs& args, const OutputRange& outputs);
  /// dx (M, K) += what comes of Backward's result.
  void InputBackward(Context& context, const float* dlow, int64_t m, float* dx) const;
  bool Trains() const { return a.trains() || b.trains(); }

  /// w += scale B A, in the order of the layer's weight.
  void AddTo(kernels::WeightOrder order, float* w) const;

  /// Names: prefix + "lora_A.weight", prefix + "lora_B.weight".
  void Visit(const ParamVisitor& visit, const std::string& prefix);

 private:
  int64_t rank() const { return a.shape()[0]; }
  int64_t in() const { return a.shape()[1]; }
  float* Low(Context& context, const float* x, int64_t m) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_LORA_H_
