#include "nn/attention_pool.h"

#include <algorithm>
#include <cmath>

#include "kernels/pool.h"

namespace diptych::nn {
namespace {

// x (B, H*W, D) -> tokens (B, 1 + H*W, D): the mean of the pixels before them, positions added.
void Tokens(Context& context, const AttentionPoolConfig& config, const float* positions, const float* x, int64_t b,
            float* tokens) {
  const int64_t pixels = config.pixels, d = config.width, t = pixels + 1;
  for (int64_t i = 0; i < b; ++i) {
    float* rows = tokens + i * t * d;
    kernels::GlobalAveragePool(context, x + i * pixels * d, 1, pixels, d, rows);
    std::copy_n(x + i * pixels * d, pixels * d, rows + d);
    kernels::Add(positions, t * d, rows);
  }
}

// The first token of each picture, all that asks: tokens (B, T, D) -> rows (B, D).
void FirstTokens(const float* tokens, int64_t b, int64_t t, int64_t d, float* rows) {
  for (int64_t i = 0; i < b; ++i) std::copy_n(tokens + i * t * d, d, rows + i * d);
}

kernels::AttentionShape KernelShape(const AttentionPoolConfig& config) {
  const int head_dim = static_cast<int>(config.width / config.heads);
  return {.heads = config.heads, .head_dim = head_dim, .scale = 1.0f / std::sqrt(static_cast<float>(head_dim))};
}

// `counts` (2B) receives the numbers of keys and queries that the result refers to.
kernels::AttentionInput KernelInput(const AttentionPoolConfig& config, int64_t b, const float* q, const float* k,
                                    const float* v, int32_t* counts) {
  std::fill_n(counts, b, static_cast<int32_t>(config.pixels + 1));
  std::fill_n(counts + b, b, 1);
  const auto n = static_cast<size_t>(b);
  return {.q = q,
          .k = k,
          .v = v,
          .q_stride = config.width,
          .kv_stride = config.width,
          .lengths = {counts, n},
          .q_lengths = {counts + n, n}};
}

}  // namespace

void AttentionPoolPlan::Forward(Context& context, const float* x, int64_t b, float* y) const {
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t t = config.pixels + 1, d = config.width;
  float* tokens = arena.Allocate<float>(b * t * d);  // (B, T, D)
  float* keys = arena.Allocate<float>(b * t * d);    // (B, T, D)
  float* values = arena.Allocate<float>(b * t * d);  // (B, T, D)
  float* first = arena.Allocate<float>(b * d);       // (B, D)
  float* queries = arena.Allocate<float>(b * d);     // (B, D)
  int32_t* counts = arena.Allocate<int32_t>(2 * b);
  Tokens(context, config, positions.data(), x, b, tokens);
  FirstTokens(tokens, b, t, d, first);
  q.Forward(context, first, b, queries);
  k.Forward(context, tokens, b * t, keys);
  v.Forward(context, tokens, b * t, values);
  float* mixed = first;  // (B, D)
  kernels::Attention(context, KernelInput(config, b, queries, keys, values, counts), KernelShape(config), mixed);
  out.Forward(context, mixed, b, y);
}

AttentionPool::AttentionPool(const AttentionPoolConfig& config)
    : config(config),
      positions(Shape{config.pixels + 1, config.width}),
      q({.in = config.width, .out = config.width}),
      k({.in = config.width, .out = config.width}),
      v({.in = config.width, .out = config.width}),
      out({.in = config.width, .out = config.out}) {
  CHECK_EQ(config.width % config.heads, 0) << " width " << config.width << ", heads " << config.heads;
}

void AttentionPool::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "positional_embedding", positions);
  k.Visit(visit, prefix + "k_proj.");
  q.Visit(visit, prefix + "q_proj.");
  v.Visit(visit, prefix + "v_proj.");
  out.Visit(visit, prefix + "c_proj.");
}

AttentionPoolPlan AttentionPool::Prepare(kernels::Precision precision) const {
  return {.config = config,
          .positions = positions.ToFloats(),
          .q = q.Prepare(precision),
          .k = k.Prepare(precision),
          .v = v.Prepare(precision),
          .out = out.Prepare(precision)};
}

}  // namespace diptych::nn
