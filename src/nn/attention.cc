#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace diptych::nn {

int64_t Sequences::Rows() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }

kernels::AttentionShape AttentionPlan::KernelShape() const {
  const int head_dim = static_cast<int>(config.width / config.heads);
  return {.heads = config.heads,
          .head_dim = head_dim,
          .causal = config.causal,
          .scale = 1.0f / std::sqrt(static_cast<float>(head_dim))};
}

// Keys and values of x, and, prepared for all queries, those as well. The rows live in the caller's arena scope.
kernels::AttentionInput AttentionPlan::Project(Context& context, const float* x, const Sequences& sequences) const {
  const int64_t m = sequences.Rows(), d = config.width, width = KeptWidth();
  float* rows = context.arena().Allocate<float>(m * width);  // (M, 3D) of q, k, v, or (M, 2D) of k, v
  const bool fused = qkv.out != 0;
  (fused ? qkv : kv).Forward(context, x, m, rows);
  if (sequences.keep != nullptr) std::copy_n(rows, m * width, sequences.keep);
  const int64_t key = fused ? d : 0;  // where a row's key begins
  kernels::AttentionInput input{.q = fused ? rows : nullptr,
                                .k = rows + key,
                                .v = rows + key + d,
                                .q_stride = width,
                                .kv_stride = width,
                                .lengths = sequences.lengths};
  if (sequences.prefix_length > 0) {
    input.prefix_k = sequences.prefix + key;
    input.prefix_v = sequences.prefix + key + d;
    input.prefix_length = sequences.prefix_length;
  }
  return input;
}

void AttentionPlan::Forward(Context& context, const float* x, const Sequences& sequences, const float* residual,
                            float* y) const {
  const int64_t m = sequences.Rows(), d = config.width;
  const Arena::Scope scope(context.arena());
  kernels::AttentionInput input = Project(context, x, sequences);
  if (input.q == nullptr) {
    float* queries = context.arena().Allocate<float>(m * d);  // (M, D)
    q.Forward(context, x, m, queries);
    input.q = queries;
    input.q_stride = d;
  }
  float* mixed = context.arena().Allocate<float>(m * d);  // (M, D)
  kernels::Attention(context, input, KernelShape(), mixed);
  out.Forward(context, mixed, m, y, {.residual = residual});
}

void AttentionPlan::ForwardPooled(Context& context, const float* x, const Sequences& sequences, const float* x_q,
                                  const float* residual, float* y) const {
  CHECK(!kv.w.empty()) << " prepared for all queries";
  const int64_t b = static_cast<int64_t>(sequences.lengths.size()), d = config.width;
  const Arena::Scope scope(context.arena());
  kernels::AttentionInput input = Project(context, x, sequences);
  float* queries = context.arena().Allocate<float>(b * d);  // (B, D)
  float* mixed = context.arena().Allocate<float>(b * d);    // (B, D)
  int32_t* ones = context.arena().Allocate<int32_t>(b);
  std::fill_n(ones, b, 1);
  q.Forward(context, x_q, b, queries);
  input.q = queries;
  input.q_stride = d;
  input.q_lengths = {ones, sequences.lengths.size()};
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
