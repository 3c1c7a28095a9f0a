// Pooling of a map by attention (Radford et al., 2021): the mean of its pixels asks, the mean and the pixels answer.
// open_clip's AttentionPool2d.
#ifndef DIPTYCH_NN_ATTENTION_POOL_H_
#define DIPTYCH_NN_ATTENTION_POOL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/attention/attention.h"
#include "nn/linear.h"
#include "nn/param.h"

namespace diptych::nn {

struct AttentionPoolConfig {
  int64_t pixels = 0;  // H*W of the map
  int64_t width = 0;   // D, its channels
  int heads = 1;       // NH
  int64_t out = 0;     // E
};

struct AttentionPoolPlan {
  AttentionPoolConfig config;
  std::vector<float> positions;  // (1 + H*W, D), the mean's first
  LinearPlan q, k, v, out;

  /// x (B, H, W, D) -> y (B, E).
  void Forward(Context& context, const float* x, int64_t b, float* y) const;
};

/// What a training pass keeps. Points into an arena.
struct AttentionPoolCache {
  int64_t b = 0;
  float* tokens = nullptr;    // (B, T, D), T = 1 + H*W: the mean of the pixels before them, positions added
  float* first = nullptr;     // (B, D), the first token of each picture, all that asks
  float* queries = nullptr;   // (B, D)
  float* keys = nullptr;      // (B, T, D)
  float* values = nullptr;    // (B, T, D)
  float* mixed = nullptr;     // (B, D)
  int32_t* counts = nullptr;  // (2B), keys and queries of each picture
};

struct AttentionPool {
  AttentionPool() = default;
  explicit AttentionPool(const AttentionPoolConfig& config);

  AttentionPoolConfig config;
  Param positions;      // (1 + H*W, D)
  Linear q, k, v, out;  // (D, D), the last (E, D)

  AttentionPoolCache Allocate(Arena& arena, int64_t b) const;
  /// The training pass: x (B, H, W, D) -> y (B, E).
  void Forward(Context& context, const AttentionPoolCache& cache, const float* x, float* y) const;
  /// dy (B, E) -> dx (B, H, W, D), null: not wanted. Adds to the gradients of what trains.
  void Backward(Context& context, const AttentionPoolCache& cache, const float* dy, float* dx);
  bool Trains() const;

  /// Names: prefix + "positional_embedding", "k_proj.weight", "q_proj.weight", "v_proj.weight", "c_proj.weight", ...
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  AttentionPoolPlan Prepare(kernels::Precision precision) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_ATTENTION_POOL_H_
