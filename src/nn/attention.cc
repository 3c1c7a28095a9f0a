#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace diptych::nn {

kernels::AttentionShape AttentionPlan::KernelShape() const {
  const int head_dim = static_cast<int>(config.width / config.heads);
  return {.heads = config.heads,
          .head_dim = head_dim,
          .causal = config.causal,
          .scale = 1.0f / std::sqrt(static_cast<float>(head_dim))};
}

void AttentionPlan::Forward(Context& context, const float* x, std::span<const int32_t> lengths, const float* residual,
                            float* y) const {
  const int64_t m = std::accumulate(lengths.begin(), lengths.end(), int64_t{0}), d = config.width;
  const Arena::Scope scope(context.arena());
  float* rows = context.arena().Allocate<float>(m * 3 * d);  // (M, 3D), or (M, D) and (M, 2D)
  float* mixed = context.arena().Allocate<float>(m * d);     // (M, D)
  kernels::AttentionInput input{.lengths = lengths};
  if (qkv.out != 0) {
    qkv.Forward(context, x, m, rows);
    input.q = rows, input.k = rows + d, input.v = rows + 2 * d;
    input.q_stride = input.kv_stride = 3 * d;
  } else {
    float* keys = rows + m * d;
    q.Forward(context, x, m, rows);
    kv.Forward(context, x, m, keys);
    input.q = rows, input.k = keys, input.v = keys + d;
    input.q_stride = d, input.kv_stride = 2 * d;
  }
  kernels::Attention(context, input, KernelShape(), mixed);
  out.Forward(context, mixed, m, y, {.residual = residual});
}

void AttentionPlan::ForwardPooled(Context& context, const float* x, std::span<const int32_t> lengths, const float* x_q,
                                  const float* residual, float* y) const {
  CHECK(!kv.w.empty()) << " prepared for all queries";
  const int64_t m = std::accumulate(lengths.begin(), lengths.end(), int64_t{0}), d = config.width;
  const int64_t b = static_cast<int64_t>(lengths.size());
  const Arena::Scope scope(context.arena());
  float* keys = context.arena().Allocate<float>(m * 2 * d);   // (M, 2D)
  float* queries = context.arena().Allocate<float>(b * d);    // (B, D)
  float* mixed = context.arena().Allocate<float>(b * d);      // (B, D)
  int32_t* ones = context.arena().Allocate<int32_t>(b);
  std::fill_n(ones, b, 1);
  kv.Forward(context, x, m, keys);
  q.Forward(context, x_q, b, queries);
  const kernels::AttentionInput input{.q = queries,
                                      .k = keys,
                                      .v = keys + d,
                                      .q_stride = d,
                                      .kv_stride = 2 * d,
                                      .lengths = lengths,
                                      .q_lengths = {ones, lengths.size()}};
  kernels::Attention(context, input, KernelShape(), mixed);
  out.Forward(context, mixed, b, y, {.residual = residual});
}

Attention::Attention(const AttentionConfig& config)
    : config(config),
      qkv({.in = config.width, .out = 3 * config.width}),
      out({.in = config.width, .out = config.width}) {
  CHECK_EQ(config.width % config.heads, 0) << " width " << config.width << ", heads " << config.heads;
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
