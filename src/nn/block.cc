#include "nn/block.h"

#include <algorithm>

namespace diptych::nn {

void BlockPlan::Forward(Context& context, const Sequences& sequences, float* x) const {
  const int64_t m = sequences.Rows();
  if (config.post_norm) {
    attention.Forward(context, x, sequences, x, x);
    norm1.Forward(context, x, m, x);
    mlp.Forward(context, x, m, x, x);
    norm2.Forward(context, x, m, x);
    return;
  }
  const Arena::Scope scope(context.arena());
  float* normed = context.arena().Allocate<float>(m * config.width);  // (M, D)
  norm1.Forward(context, x, m, normed);
  attention.Forward(context, normed, sequences, x, x);
  norm2.Forward(context, x, m, normed);
  mlp.Forward(context, normed, m, x, x);
}

void BlockPlan::ForwardPooled(Context& context, const Sequences& sequences, std::span<const int64_t> pooled_rows,
                              const float* x, float* y) const {
  CHECK(!config.post_norm);
  const int64_t m = sequences.Rows(), d = config.width;
  const int64_t b = static_cast<int64_t>(sequences.lengths.size());
  CHECK_EQ(pooled_rows.size(), sequences.lengths.size());
  const Arena::Scope scope(context.arena());
  float* normed = context.arena().Allocate<float>(m * d);    // (M, D)
  float* queries = context.arena().Allocate<float>(b * d);   // (B, D)
  norm1.Forward(context, x, m, normed);
  for (int64_t i = 0; i < b; ++i) {
    std::copy_n(normed + pooled_rows[i] * d, d, queries + i * d);
    std::copy_n(x + pooled_rows[i] * d, d, y + i * d);
  }
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

void Block::Visit(const ParamVisitor& visit, const std::string& prefix) {
  norm1.Visit(visit, prefix + "ln_1.");
  visit(prefix + "attn.in_proj_weight", attention.qkv.w);
  visit(prefix + "attn.in_proj_bias", attention.qkv.b);
  attention.out.Visit(visit, prefix + "attn.out_proj.");
  norm2.Visit(visit, prefix + "ln_2.");
  mlp.fc1.Visit(visit, prefix + "mlp.c_fc.");
  mlp.fc2.Visit(visit, prefix + "mlp.c_proj.");
}

BlockPlan Block::Prepare(kernels::Precision precision, Queries queries) const {
  return {config, norm1.Prepare(), norm2.Prepare(), attention.Prepare(precision, queries), mlp.Prepare(precision)};
}

}  // namespace diptych::nn
