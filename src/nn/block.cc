#include "nn/block.h"

#include <algorithm>
#include <utility>

namespace diptych::nn {

void BlockPlan::Forward(Context& context, const Sequences& sequences, float* x) const {
  const int64_t m = sequences.Rows(), d = config.width;
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  if (config.post_norm) {
    const kernels::Rows rows = kernels::RowsOf(context, x, m, d, attention.InputType());
    attention.Forward(context, rows, sequences, {.residual = x, .y = x});
    norm1.Forward(context, x, m, x);
    mlp.Forward(context, x, m, x, x);
    norm2.Forward(context, x, m, x);
    return;
  }
  const kernels::MutableRows normed = kernels::AllocateRows(arena, attention.InputType(), m, d);  // (M, D)
  norm1.Forward(context, x, m, normed);
  attention.Forward(context, normed, sequences, {.residual = x, .y = x});
  norm2.Forward(context, x, m, normed);
  mlp.Forward(context, normed, m, x, x);
}

MergingRows MergingRows::Allocate(Arena& arena, int64_t batch, int64_t tokens, int64_t width) {
  const auto room = [&] {
    return kernels::TokenRows{.batch = batch,
                              .tokens = tokens,
                              .width = width,
                              .x = arena.Allocate<float>(batch * tokens * width),
                              .sizes = arena.Allocate<float>(batch * tokens)};
  };
  MergingRows merging{.rows = room(), .spare = room()};
  merging.lengths = {arena.Allocate<int32_t>(batch), static_cast<size_t>(batch)};
  std::fill_n(merging.rows.sizes, batch * tokens, 1.0f);
  std::fill(merging.lengths.begin(), merging.lengths.end(), static_cast<int32_t>(tokens));
  return merging;
}

Sequences MergingRows::AsSequences(float* log_sizes) const {
  const int64_t m = rows.batch * rows.tokens;
  kernels::Log(rows.sizes, m, log_sizes);
  return {.lengths = lengths, .key_bias = {log_sizes, static_cast<size_t>(m)}};
}

void BlockPlan::ForwardMerging(Context& context, int64_t count, MergingRows& merging) const {
  CHECK(!config.post_norm && !config.causal);
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t d = config.width, head_dim = d / config.heads;
  int64_t m = merging.rows.batch * merging.rows.tokens;
  const kernels::MutableRows normed = kernels::AllocateRows(arena, attention.InputType(), m, d);  // (M, D)
  float* keys = arena.Allocate<float>(m * head_dim);                                              // (M, HD)
  float* x = merging.rows.x;
  norm1.Forward(context, x, m, normed);
  attention.Forward(context, normed, merging.AsSequences(arena.Allocate<float>(m)),
                    {.residual = x, .y = x, .key_means = keys});
  merging.spare.tokens = merging.rows.tokens - count;
  kernels::MergeTokens(context, merging.rows, keys, head_dim, count, merging.spare);
  std::swap(merging.rows, merging.spare);
  std::fill(merging.lengths.begin(), merging.lengths.end(), static_cast<int32_t>(merging.rows.tokens));
  x = merging.rows.x;
  m = merging.rows.batch * merging.rows.tokens;
  norm2.Forward(context, x, m, normed);
  mlp.Forward(context, normed, m, x, x);
}

void BlockPlan::ForwardPooled(Context& context, const Sequences& sequences, std::span<const int64_t> pooled_rows,
                              const float* x, float* y) const {
  CHECK(!config.post_norm);
  const int64_t m = sequences.Rows(), d = config.width;
  const int64_t b = sequences.Pooled();
  CHECK_EQ(static_cast<int64_t>(pooled_rows.size()), b);
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const kernels::MutableRows normed = kernels::AllocateRows(arena, attention.InputType(), m, d);   // (M, D)
  const kernels::MutableRows queries = kernels::AllocateRows(arena, attention.InputType(), b, d);  // (B, D)
  norm1.Forward(context, x, m, normed);
  kernels::GatherRows(normed, pooled_rows, queries);
  for (int64_t i = 0; i < b; ++i) std::copy_n(x + pooled_rows[i] * d, d, y + i * d);
  attention.ForwardPooled(context, normed, sequences, queries, y, y);
  norm2.Forward(context, y, b, queries);
  mlp.Forward(context, queries, b, y, y);
}

Block::Block(const BlockConfig& config)
    : config(config),
      norm1(config.width, config.eps),
      norm2(config.width, config.eps),
      attention({.width = config.width, .heads = config.heads, .causal = config.causal}),
      mlp(config.width, config.mlp_width, config.activation) {}

BlockCache Block::Allocate(Arena& arena, const PassRows& rows) const {
  CHECK(!config.post_norm || rows.pooled.empty());
  const int64_t queries = rows.Queries(), size = queries * config.width;
  return {.rows = rows,
          .attention = attention.Allocate(arena, rows),
          .attended = arena.Allocate<float>(size),
          .norm1 = norm1.Allocate(arena, rows.count),
          .norm2 = norm2.Allocate(arena, queries),
          .mlp = mlp.Allocate(arena, queries),
          .summed = config.post_norm ? arena.Allocate<float>(size) : nullptr};
}

void Block::Forward(Context& context, const BlockCache& cache, const float* x, float* y) const {
  const int64_t m = cache.rows.count, queries = cache.rows.Queries(), d = config.width;
  const Arena::Scope scope(context.arena());
  float* normed = context.arena().Allocate<float>(m * d);  // (M, D)
  if (config.post_norm) {
    attention.Forward(context, cache.attention, x, x, cache.attended);
    norm1.Forward(context, cache.norm1, cache.attended, m, normed);
    mlp.Forward(context, cache.mlp, normed, normed, cache.summed);
    norm2.Forward(context, cache.norm2, cache.summed, m, y != nullptr ? y : normed);
    return;
  }
  norm1.Forward(context, cache.norm1, x, m, normed);
  GatherPooled(cache.rows, x, d, cache.attended);
  const float* residual = cache.rows.pooled.empty() ? x : cache.attended;
  attention.Forward(context, cache.attention, normed, residual, cache.attended);
  norm2.Forward(context, cache.norm2, cache.attended, queries, normed);
  mlp.Forward(context, cache.mlp, normed, cache.attended, y);
}

void Block::Backward(Context& context, const BlockCache& cache, const float* x, const float* dy, float* dx) {
  if (config.post_norm) {
    PostNormBackward(context, cache, x, dy, dx);
  } else {
    PreNormBackward(context, cache, x, dy, dx);
  }
}

void Block::PreNormBackward(Context& context, const BlockCache& cache, const float* x, const float* dy, float* dx) {
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t m = cache.rows.count, queries = cache.rows.Queries(), d = config.width;
  const bool below_attention = dx != nullptr || norm1.Trains();
  const bool below_mlp = below_attention || attention.Trains() || norm2.Trains();
  float* normed = arena.Allocate<float>(m * d);           // (M, D), of norm2, then of norm1
  float* dattended = arena.Allocate<float>(queries * d);  // (Q, D)

  // y = mlp(norm2(attended)) + attended
  if (mlp.fc1.UsesInput()) norm2.Forward(context, cache.attended, queries, normed);
  mlp.Backward(context, cache.mlp, {.x = normed, .dy = dy, .dx = below_mlp ? dattended : nullptr});
  if (!below_mlp) return;
  norm2.Backward(context, cache.norm2, {.x = cache.attended, .dy = dattended, .m = queries, .dresidual = dy},
                 dattended);

  // attended = out(attention(norm1(x))) + x
  if (attention.qkv.UsesInput()) norm1.Forward(context, x, m, normed);
  float* dnormed = below_attention ? arena.Allocate<float>(m * d) : nullptr;  // (M, D)
  attention.Backward(context, cache.attention, {.x = normed, .dy = dattended, .dx = dnormed});
  if (!below_attention) return;
  const float* dresidual = dattended;
  if (dx == nullptr) {
    dresidual = nullptr;
    dx = dnormed;
  } else if (!cache.rows.pooled.empty()) {
    std::fill_n(dx, m * d, 0.0f);
    for (int64_t i = 0; i < queries; ++i) std::copy_n(dattended + i * d, d, dx + cache.rows.pooled[i] * d);
    dresidual = dx;
  }
  norm1.Backward(context, cache.norm1, {.x = x, .dy = dnormed, .m = m, .dresidual = dresidual}, dx);
}

void Block::PostNormBackward(Context& context, const BlockCache& cache, const float* x, const float* dy, float* dx) {
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t m = cache.rows.count, d = config.width;
  const bool below_mlp = dx != nullptr || attention.Trains() || norm1.Trains();
  float* normed = arena.Allocate<float>(m * d);                         // (M, D), of norm1
  float* gradient = dx != nullptr ? dx : arena.Allocate<float>(m * d);  // (M, D), of what each line below names

  // y = norm2(summed)
  norm2.Backward(context, cache.norm2, {.x = cache.summed, .dy = dy, .m = m}, gradient);
  // summed = mlp(normed) + normed
  if (mlp.fc1.UsesInput()) norm1.Forward(context, cache.attended, m, normed);
  mlp.Backward(context, cache.mlp,
               {.x = normed, .dy = gradient, .dx = below_mlp ? gradient : nullptr, .accumulate = true});
  if (!below_mlp) return;
  // normed = norm1(attended)
  norm1.Backward(context, cache.norm1, {.x = cache.attended, .dy = gradient, .m = m}, gradient);
  // attended = out(attention(x)) + x
  attention.Backward(context, cache.attention, {.x = x, .dy = gradient, .dx = dx, .accumulate = true});
}

void Block::Visit(const ParamVisitor& visit, const std::string& prefix) {
  norm1.Visit(visit, prefix + "ln_1.");
  visit(prefix + "attn.in_proj_weight", attention.qkv.w);
  visit(prefix + "attn.in_proj_bias", attention.qkv.b);
  if (attention.qkv.lora) attention.qkv.lora->Visit(visit, prefix + "attn.in_proj_");
  attention.out.Visit(visit, prefix + "attn.out_proj.");
  norm2.Visit(visit, prefix + "ln_2.");
  mlp.fc1.Visit(visit, prefix + "mlp.c_fc.");
  mlp.fc2.Visit(visit, prefix + "mlp.c_proj.");
}

void Block::VisitLinears(const LinearVisitor& visit, const std::string& prefix) {
  visit(prefix + "attn.in_proj", attention.qkv);
  visit(prefix + "attn.out_proj", attention.out);
  visit(prefix + "mlp.c_fc", mlp.fc1);
  visit(prefix + "mlp.c_proj", mlp.fc2);
}

BlockPlan Block::Prepare(kernels::Precision precision, Queries queries) const {
  return {config, norm1.Prepare(), norm2.Prepare(), attention.Prepare(precision, queries), mlp.Prepare(precision)};
}

}  // namespace diptych::nn
