#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "kernels/pool.h"
#include "kernels/token_merging.h"

namespace diptych::nn {
namespace {

kernels::AttentionShape ShapeOf(const AttentionConfig& config) {
  const int head_dim = static_cast<int>(config.width / config.heads);
  return {.heads = config.heads,
          .head_dim = head_dim,
          .causal = config.causal,
          .scale = 1.0f / std::sqrt(static_cast<float>(head_dim))};
}

kernels::AttentionInput InputOf(const AttentionCache& cache, int64_t d) {
  const bool pooled = !cache.rows.pooled.empty();
  return {.q = cache.q,
          .k = cache.k,
          .v = cache.v,
          .q_stride = pooled ? d : 3 * d,
          .kv_stride = pooled ? 2 * d : 3 * d,
          .lengths = cache.rows.lengths,
          .q_lengths = cache.q_lengths};
}

}  // namespace

int64_t Sequences::Rows() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }

int64_t Sequences::Pooled() const {
  if (queries.empty()) return static_cast<int64_t>(lengths.size());
  return std::accumulate(queries.begin(), queries.end(), int64_t{0});
}

void AttentionPlan::Forward(Context& context, const kernels::Rows& x, const Sequences& sequences,
                            const AttentionOutput& output) const {
  const bool brains = InputType() != kernels::Precision::kF32 && kernels::HasBrainAttention();
  if (brains) return Attend<uint16_t>(context, x, sequences, nullptr, output);
  Attend<float>(context, x, sequences, nullptr, output);
}

void AttentionPlan::ForwardPooled(Context& context, const kernels::Rows& x, const Sequences& sequences,
                                  const kernels::Rows& x_q, const float* residual, float* y) const {
  CHECK(!kv.w.empty()) << " prepared for all queries";
  const bool brains = InputType() != kernels::Precision::kF32 && kernels::HasBrainAttention();
  if (brains) return Attend<uint16_t>(context, x, sequences, &x_q, {residual, y});
  Attend<float>(context, x, sequences, &x_q, {residual, y});
}

// T: the type of what attends, floats or bf16. x_q null: every row of x is a query.
template <class T>
void AttentionPlan::Attend(Context& context, const kernels::Rows& x, const Sequences& sequences,
                           const kernels::Rows* x_q, const AttentionOutput& output) const {
  constexpr auto kType = std::is_same_v<T, float> ? kernels::Precision::kF32 : kernels::Precision::kBF16;
  const bool fused = qkv.out != 0;
  const int64_t m = sequences.Rows(), d = config.width, width = fused ? qkv.out : kv.out;
  const int64_t queries = x_q == nullptr ? m : sequences.Pooled();
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const auto rows_of = [&](const LinearPlan& linear, const kernels::Rows& from, int64_t count) {
    const kernels::MutableRows rows = kernels::AllocateRows(arena, kType, count, linear.out);
    linear.Forward(context, from, count, rows, {});
    return reinterpret_cast<const T*>(rows.data);
  };
  const T* rows = rows_of(fused ? qkv : kv, x, m);  // (M, 3D) of q, k, v, or (M, 2D) of k, v
  const int64_t key = fused ? d : 0;                // where a row's key begins
  kernels::BasicAttentionInput<T> input{.q = rows,
                                        .k = rows + key,
                                        .v = rows + key + d,
                                        .q_stride = width,
                                        .kv_stride = width,
                                        .lengths = sequences.lengths,
                                        .parents = sequences.parents,
                                        .key_bias = sequences.key_bias};
  if (output.key_means != nullptr) {
    kernels::MeanOverHeads(input.k, m, {width, config.heads, d / config.heads}, output.key_means);
  }
  if (!fused) {
    input.q = rows_of(q, x_q == nullptr ? x : *x_q, queries);  // (Q, D)
    input.q_stride = d;
  }
  if (x_q != nullptr) input.q_lengths = sequences.queries;
  if (x_q != nullptr && input.q_lengths.empty()) {
    int32_t* ones = arena.Allocate<int32_t>(queries);
    std::fill_n(ones, queries, 1);
    input.q_lengths = {ones, sequences.lengths.size()};
  }
  const kernels::MutableRows mixed = kernels::AllocateRows(arena, kType, queries, d);  // (Q, D)
  T* values = reinterpret_cast<T*>(mixed.data);
  kernels::Attention(context, input, ShapeOf(config), values);
  if constexpr (kType == kernels::Precision::kF32) {
    out.Forward(context, values, queries, output.y, {.residual = output.residual});
  } else {
    const kernels::Rows converted = kernels::RowsOf(context, mixed, queries, InputType());
    out.Forward(context, converted, queries, output.y, {.residual = output.residual});
  }
}

Attention::Attention(const AttentionConfig& config)
    : config(config),
      qkv({.in = config.width, .out = 3 * config.width}),
      out({.in = config.width, .out = config.width}) {
  CHECK_EQ(config.width % config.heads, 0) << " width " << config.width << ", heads " << config.heads;
}

void GatherPooled(const PassRows& rows, const float* x, int64_t d, float* y) {
  for (const int64_t row : rows.pooled) y = std::copy_n(x + row * d, d, y);
}

// Where q, k and v of a pass (or their gradients) lie.
void Attention::Place(Arena& arena, AttentionCache& cache) const {
  const int64_t m = cache.rows.count, d = config.width;
  if (cache.rows.pooled.empty()) {
    cache.q = arena.Allocate<float>(m * 3 * d);
    cache.k = cache.q + d;
  } else {
    cache.q = arena.Allocate<float>(cache.rows.Queries() * d);
    cache.k = arena.Allocate<float>(m * 2 * d);
  }
  cache.v = cache.k + d;
}

AttentionCache Attention::Allocate(Arena& arena, const PassRows& rows) const {
  AttentionCache cache{.rows = rows};
  Place(arena, cache);
  cache.mixed = arena.Allocate<float>(rows.Queries() * config.width);
  if (!rows.pooled.empty()) {
    int32_t* ones = arena.Allocate<int32_t>(rows.Queries());
    std::fill_n(ones, rows.Queries(), 1);
    cache.q_lengths = {ones, rows.pooled.size()};
  }
  return cache;
}

void Attention::Forward(Context& context, const AttentionCache& cache, const float* x, const float* residual,
                        float* y) const {
  const int64_t m = cache.rows.count, queries = cache.rows.Queries(), d = config.width;
  if (cache.rows.pooled.empty()) {
    qkv.Forward(context, x, m, cache.q);
  } else {
    const Arena::Scope scope(context.arena());
    float* x_q = context.arena().Allocate<float>(queries * d);  // (B, D)
    GatherPooled(cache.rows, x, d, x_q);
    qkv.Forward(context, x_q, queries, cache.q, {.outputs = {0, d}});
    qkv.Forward(context, x, m, cache.k, {.outputs = {d, 3 * d}});
  }
  kernels::Attention(context, InputOf(cache, d), ShapeOf(config), cache.mixed);
  out.Forward(context, cache.mixed, queries, y, {.residual = residual});
}

void Attention::Backward(Context& context, const AttentionCache& cache, const AttentionBackwardArgs& args) {
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t queries = cache.rows.Queries(), d = config.width;
  const bool below = args.dx != nullptr || qkv.Trains();
  // y = out(mixed) + residual
  float* dmixed = below ? arena.Allocate<float>(queries * d) : nullptr;  // (Q, D)
  out.Backward(context, {.x = cache.mixed, .dy = args.dy, .m = queries, .dx = dmixed});
  if (!below) return;
  // mixed = attention(q, k, v)
  AttentionCache gradient{.rows = cache.rows};
  Place(arena, gradient);
  kernels::AttentionBackward(context, InputOf(cache, d), ShapeOf(config), cache.mixed, dmixed,
                             {.dq = gradient.q, .dk = gradient.k, .dv = gradient.v});
  ProjectionBackward(context, gradient, args);
}

void Attention::ProjectionBackward(Context& context, const AttentionCache& gradient,
                                   const AttentionBackwardArgs& args) {
  const PassRows& rows = gradient.rows;
  const int64_t m = rows.count, queries = rows.Queries(), d = config.width;
  LinearBackwardArgs linear{.x = args.x, .m = m, .dx = args.dx, .accumulate = args.accumulate};
  if (rows.pooled.empty()) {
    // q, k, v = qkv(x)
    linear.dy = gradient.q;
    qkv.Backward(context, linear);
    return;
  }
  // k, v = qkv(x)[D:]
  linear.dy = gradient.k;
  linear.outputs = {d, 3 * d};
  qkv.Backward(context, linear);
  // q = qkv(x[pooled])[:D]
  const Arena::Scope scope(context.arena());
  float* x_q = context.arena().Allocate<float>(queries * d);  // (B, D), then its gradient in its place
  if (qkv.UsesInput()) GatherPooled(rows, args.x, d, x_q);
  const bool below = args.dx != nullptr;
  qkv.Backward(context, {.x = x_q, .dy = gradient.q, .m = queries, .dx = below ? x_q : nullptr, .outputs = {0, d}});
  for (int64_t b = 0; below && b < queries; ++b) kernels::Add(x_q + b * d, d, args.dx + rows.pooled[b] * d);
}

AttentionPlan Attention::Prepare(kernels::Precision precision, Queries queries) const {
  AttentionPlan plan{.config = config};
  if (queries == Queries::kAll) {
    plan.qkv = qkv.Prepare(precision);
  } else {
    plan.q = qkv.PrepareRows(precision, 0, config.width);
    plan.kv = qkv.PrepareRows(precision, config.width, 3 * config.width);
  }
  plan.out = out.Prepare(precision);
  return plan;
}

}  // namespace diptych::nn
