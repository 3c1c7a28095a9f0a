// A transformer block: attention and MLP, each with a norm and a residual connection.
#ifndef DIPTYCH_NN_BLOCK_H_
#define DIPTYCH_NN_BLOCK_H_

#include <cstdint>
#include <span>
#include <string>

#include "core/context.h"
#include "kernels/token_merging.h"
#include "nn/attention.h"
#include "nn/layer_norm.h"
#include "nn/mlp.h"

namespace diptych::nn {

struct BlockConfig {
  int64_t width = 0;      // D
  int64_t mlp_width = 0;  // F
  int heads = 1;          // NH
  float eps = 1e-5f;
  kernels::Activation activation = kernels::Activation::kGelu;
  bool causal = false;
  /// Pre-norm: x + f(norm(x)), as CLIP. Post-norm: norm(x + f(x)), as BERT.
  bool post_norm = false;
};

/// Rows of tokens that merge, (B, T, D), and room for as many.
struct MergingRows {
  kernels::TokenRows rows, spare;
  std::span<int32_t> lengths;  // (B), T of each

  static MergingRows Allocate(Arena& arena, int64_t batch, int64_t tokens, int64_t width);
  /// As attention sees them: log_sizes (B, T) is scratch.
  Sequences AsSequences(float* log_sizes) const;
};

struct BlockPlan {
  BlockConfig config;
  LayerNormPlan norm1, norm2;
  AttentionPlan attention;
  MlpPlan mlp;

  /// x (M, D) in place.
  void Forward(Context& context, const Sequences& sequences, float* x) const;

  /// The same, with `count` tokens of each sequence merged between attention and MLP (kernels::MergeTokens), for which
  /// the keys are the metric, and attention in proportion to the tokens' sizes. `rows` becomes what is left: its x and
  /// sizes move to other scratch. REQUIRES: pre-norm, not causal.
  void ForwardMerging(Context& context, int64_t count, MergingRows& rows) const;

  /// Only what reaches the pooled rows: x (M, D) is read, row pooled_rows[b] of it is sequence b's query -> y (B, D).
  /// REQUIRES: prepared with Queries::kPooled, pre-norm; with a causal mask each pooled row ends its sequence.
  void ForwardPooled(Context& context, const Sequences& sequences, std::span<const int64_t> pooled_rows,
                     const float* x, float* y) const;
};

/// What a training pass keeps beside x. The normed rows, the activated rows of the MLP and the attention's
/// probabilities are computed again.
struct BlockCache {
  PassRows rows;  // M rows, Q queries
  AttentionCache attention;
  float* attended = nullptr;  // (Q, D), attention and residual; pre-norm: what norm2 takes, post-norm: norm1
  LayerNormCache norm1, norm2;
  MlpCache mlp;
  float* summed = nullptr;  // (Q, D), post-norm only: MLP and residual, what norm2 takes
};

struct Block {
  Block() = default;
  explicit Block(const BlockConfig& config);

  BlockConfig config;
  LayerNorm norm1, norm2;
  Attention attention;
  Mlp mlp;

  /// `rows` must live as long as the cache. REQUIRES: pre-norm where rows are pooled.
  BlockCache Allocate(Arena& arena, const PassRows& rows) const;
  /// The training pass: x (M, D) -> y (Q, D), only what reaches the queries. y may be x where no Backward follows and
  /// nothing is pooled; null: only what the cache keeps.
  void Forward(Context& context, const BlockCache& cache, const float* x, float* y) const;
  /// x as in the forward pass, dy (Q, D) -> dx (M, D), may be dy where nothing is pooled; null: not wanted.
  void Backward(Context& context, const BlockCache& cache, const float* x, const float* dy, float* dx);
  bool Trains() const { return norm1.Trains() || norm2.Trains() || attention.Trains() || mlp.Trains(); }

  /// open_clip's names: prefix + "ln_1.", "attn.in_proj_weight", "attn.out_proj.", "ln_2.", "mlp.c_fc.", "mlp.c_proj.".
  /// Adapters: prefix + "attn.in_proj_lora_A.weight" and so on.
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  /// prefix + "attn.in_proj", "attn.out_proj", "mlp.c_fc", "mlp.c_proj".
  void VisitLinears(const LinearVisitor& visit, const std::string& prefix);
  BlockPlan Prepare(kernels::Precision precision, Queries queries = Queries::kAll) const;

 private:
  void PreNormBackward(Context& context, const BlockCache& cache, const float* x, const float* dy, float* dx);
  void PostNormBackward(Context& context, const BlockCache& cache, const float* x, const float* dy, float* dx);
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_BLOCK_H_
