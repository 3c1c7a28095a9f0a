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

kernels::AttentionInput KernelInput(const AttentionPoolConfig& config, const AttentionPoolCache& cache) {
  const auto n = static_cast<size_t>(cache.b);
  std::fill_n(cache.counts, n, static_cast<int32_t>(config.pixels + 1));
  std::fill_n(cache.counts + n, n, 1);
  return {.q = cache.queries,
          .k = cache.keys,
          .v = cache.values,
          .q_stride = config.width,
          .kv_stride = config.width,
          .lengths = {cache.counts, n},
          .q_lengths = {cache.counts + n, n}};
}

AttentionPoolCache AllocatePass(Arena& arena, const AttentionPoolConfig& config, int64_t b) {
  const int64_t d = config.width, rows = b * (config.pixels + 1);
  return {.b = b,
          .tokens = arena.Allocate<float>(rows * d),
          .first = arena.Allocate<float>(b * d),
          .queries = arena.Allocate<float>(b * d),
          .keys = arena.Allocate<float>(rows * d),
          .values = arena.Allocate<float>(rows * d),
          .mixed = arena.Allocate<float>(b * d),
          .counts = arena.Allocate<int32_t>(2 * b)};
}

// The forward pass with layers of either kind, packed or training.
template <class Layers>
void Pool(Context& context, const Layers& layers, const float* positions, const float* x,
          const AttentionPoolCache& cache, float* y) {
  const AttentionPoolConfig& config = layers.config;
  const int64_t b = cache.b, t = config.pixels + 1;
  Tokens(context, config, positions, x, b, cache.tokens);
  FirstTokens(cache.tokens, b, t, config.width, cache.first);
  layers.q.Forward(context, cache.first, b, cache.queries);
  layers.k.Forward(context, cache.tokens, b * t, cache.keys);
  layers.v.Forward(context, cache.tokens, b * t, cache.values);
  kernels::Attention(context, KernelInput(config, cache), KernelShape(config), cache.mixed);
  layers.out.Forward(context, cache.mixed, b, y);
}

}  // namespace

void AttentionPoolPlan::Forward(Context& context, const float* x, int64_t b, float* y) const {
  const Arena::Scope scope(context.arena());
  Pool(context, *this, positions.data(), x, AllocatePass(context.arena(), config, b), y);
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

AttentionPoolCache AttentionPool::Allocate(Arena& arena, int64_t b) const {
  return AllocatePass(arena, config, b);
}

void AttentionPool::Forward(Context& context, const AttentionPoolCache& cache, const float* x, float* y) const {
  Pool(context, *this, positions.floats(), x, cache, y);
}

void AttentionPool::Backward(Context& context, const AttentionPoolCache& cache, const float* dy, float* dx) {
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t b = cache.b, t = config.pixels + 1, d = config.width;
  const bool tokens_wanted = dx != nullptr || positions.trains();
  const bool attention_wanted = tokens_wanted || q.Trains() || k.Trains() || v.Trains();
  // y = out(mixed)
  float* dmixed = arena.Allocate<float>(b * d);  // (B, D)
  out.Backward(context, {.x = cache.mixed, .dy = dy, .m = b, .dx = attention_wanted ? dmixed : nullptr});
  if (!attention_wanted) return;
  // mixed = attention(queries, keys, values)
  float* dqueries = arena.Allocate<float>(b * d);     // (B, D)
  float* dkeys = arena.Allocate<float>(b * t * d);    // (B, T, D)
  float* dvalues = arena.Allocate<float>(b * t * d);  // (B, T, D)
  kernels::AttentionBackward(context, KernelInput(config, cache), KernelShape(config), cache.mixed, dmixed,
                             {.dq = dqueries, .dk = dkeys, .dv = dvalues});
  // queries = q(first), keys = k(tokens), values = v(tokens)
  float* dtokens = tokens_wanted ? arena.Allocate<float>(b * t * d) : nullptr;  // (B, T, D)
  float* dfirst = tokens_wanted ? dmixed : nullptr;                             // (B, D)
  k.Backward(context, {.x = cache.tokens, .dy = dkeys, .m = b * t, .dx = dtokens});
  v.Backward(context, {.x = cache.tokens, .dy = dvalues, .m = b * t, .dx = dtokens, .accumulate = true});
  q.Backward(context, {.x = cache.first, .dy = dqueries, .m = b, .dx = dfirst});
  if (!tokens_wanted) return;
  // tokens = (mean(x), x) + positions, first = tokens[0]
  const float share = 1.0f / static_cast<float>(config.pixels);
  for (int64_t i = 0; i < b; ++i) {
    float* rows = dtokens + i * t * d;
    kernels::Add(dfirst + i * d, d, rows);
    if (positions.trains()) kernels::Add(rows, t * d, positions.grad());
    if (dx == nullptr) continue;
    float* pixels = dx + i * config.pixels * d;
    for (int64_t pixel = 0; pixel < config.pixels; ++pixel) {
      for (int64_t c = 0; c < d; ++c) pixels[pixel * d + c] = rows[(pixel + 1) * d + c] + rows[c] * share;
    }
  }
}

bool AttentionPool::Trains() const {
  return positions.trains() || q.Trains() || k.Trains() || v.Trains() || out.Trains();
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
