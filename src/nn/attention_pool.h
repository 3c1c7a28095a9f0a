// Pooling of a map by attention (Radford et al., 2021): the mean of its pixels asks, the mean and the pixels answer.
// open_clip's AttentionPool2d.
#ifndef DIPTYCH_NN_ATTENTION_POOL_H_
#define DIPTYCH_NN_ATTENTION_POOL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/context.h"
#include "kernels/attention.h"
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

struct AttentionPool {
  AttentionPool() = default;
  explicit AttentionPool(const AttentionPoolConfig& config);

  AttentionPoolConfig config;
  Param positions;      // (1 + H*W, D)
  Linear q, k, v, out;  // (D, D), the last (E, D)

  /// Names: prefix + "positional_embedding", "k_proj.weight", "q_proj.weight", "v_proj.weight", "c_proj.weight", ...
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  AttentionPoolPlan Prepare(kernels::Precision precision) const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_ATTENTION_POOL_H_
