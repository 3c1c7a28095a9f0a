#include "text/transformer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pool.h"
#include "nn/block.h"
#include "nn/block_stack.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "text/selected_rows.h"

namespace diptych {
namespace {

using kernels::Precision;

int32_t PooledPosition(const TransformerConfig& config, std::span<const int32_t> ids) {
  switch (config.pooling) {
    case TextPooling::kArgmax:
      return static_cast<int32_t>(std::max_element(ids.begin(), ids.end()) - ids.begin());
    case TextPooling::kEos: {
      const auto at = std::find(ids.begin(), ids.end(), config.eos_id);
      return at == ids.end() ? 0 : static_cast<int32_t>(at - ids.begin());
    }
    case TextPooling::kFirst: return 0;
    case TextPooling::kLast: return static_cast<int32_t>(ids.size()) - 1;
  }
  return 0;
}

// What a plan or a training pass needs to know of its texts.
TextRows RowsOf(const TransformerConfig& config, Arena& arena, const TextInput& input) {
  const size_t b = input.lengths.size();
  int32_t* pooled = arena.Allocate<int32_t>(static_cast<int64_t>(b));
  size_t begin = 0;
  for (size_t i = 0; i < b; ++i) {
    const std::span<const int32_t> text = input.ids.subspan(begin, static_cast<size_t>(input.lengths[i]));
    pooled[i] = PooledPosition(config, text);
    begin += text.size();
  }
  return {input.ids, input.lengths, {pooled, b}};
}

class TransformerPlan : public TextTowerPlan {
 public:
  TransformerConfig config_;
  TextTowerInfo info_;
  nn::SharedView words_;            // (V, D)
  std::vector<float> positions_;    // (context, D)
  std::vector<nn::BlockPlan> blocks_;  // the last one prepared for pooled queries
  nn::LayerNormPlan norm_final_;
  nn::LinearPlan projection_;

  const TextTowerInfo& info() const override { return info_; }

  void Forward(Context& context, const TextInput& input, const TextOutput& output) const override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const bool only_pooled = output.tokens == nullptr && output.hidden.empty();
    const int64_t b = static_cast<int64_t>(input.lengths.size()), d = config_.width;
    const TextRows texts = RowsOf(config_, arena, input);
    const SelectedRows selected =
        config_.causal && only_pooled ? SharedRowsToPooled(arena, texts) : AllRows(arena, texts);
    const int64_t m = static_cast<int64_t>(selected.ids.size());
    const nn::Sequences rows{
        .lengths = selected.lengths, .parents = selected.parents, .queries = selected.queries};

    float* x = arena.Allocate<float>(m * d);  // (M, D)
    Embed(selected, x);
    const size_t full_blocks = blocks_.size() - (only_pooled ? 1 : 0);
    for (size_t k = 0; k < full_blocks; ++k) {
      blocks_[k].Forward(context, rows, x);
      if (k < output.hidden.size() && output.hidden[k] != nullptr) std::copy_n(x, m * d, output.hidden[k]);
    }
    if (output.tokens != nullptr) norm_final_.Forward(context, x, m, output.tokens);
    if (output.pooled == nullptr) return;

    float* pooled = arena.Allocate<float>(b * d);  // (B, D)
    if (only_pooled) {
      blocks_.back().ForwardPooled(context, rows, selected.pooled, x, pooled);
    } else {
      for (int64_t i = 0; i < b; ++i) std::copy_n(x + selected.pooled[i] * d, d, pooled + i * d);
    }
    norm_final_.Forward(context, pooled, b, pooled);
    if (config_.projection == TextProjection::kNone) {
      std::copy_n(pooled, b * d, output.pooled);
    } else {
      projection_.Forward(context, pooled, b, output.pooled);
    }
  }

 private:
  void Embed(const SelectedRows& rows, float* x) const {
    kernels::GatherRows(words_.view, rows.ids, x);
    for (size_t i = 0; i < rows.lengths.size(); ++i) {
      const int64_t size = int64_t{rows.lengths[i]} * config_.width;
      CHECK_LE(rows.firsts[i] + rows.lengths[i], config_.context_length);
      kernels::Add(positions_.data() + int64_t{rows.firsts[i]} * config_.width, size, x);
      x += size;
    }
  }
};

struct TransformerCache : nn::TowerCache {
  SelectedRows rows;
  nn::BlockStackCache blocks;
  float* last = nullptr;  // (B, D), the last block's output
  nn::LayerNormCache norm_final;
};

class Transformer : public TextTower {
 public:
  explicit Transformer(const TransformerConfig& config)
      : config_(config),
        info_{.context_length = config.context_length,
              .vocab_size = config.vocab_size,
              .width = config.width,
              .layers = config.layers,
              .embed_dim = config.projection == TextProjection::kNone ? config.width : config.embed_dim,
              .sees_padding = !config.causal},
        words_(Shape{config.vocab_size, config.width}),
        positions_(Shape{config.context_length, config.width}),
        norm_final_(config.width, config.layer_norm_eps) {
    const bool linear = config.projection == TextProjection::kLinear;
    projection_ = nn::Linear({.in = config.width,
                              .out = config.embed_dim,
                              .bias = linear,
                              .order = linear ? kernels::WeightOrder::kOutIn : config.projection_order});
    const nn::BlockConfig block{.width = config.width,
                                .mlp_width = config.mlp_width,
                                .heads = config.heads,
                                .eps = config.layer_norm_eps,
                                .activation = config.activation,
                                .causal = config.causal};
    for (int i = 0; i < config.layers; ++i) blocks_.emplace_back(block);
  }

  const TextTowerInfo& info() const override { return info_; }

  int group_count() const override { return config_.layers + 2; }

  void VisitGroup(int group, const nn::ParamVisitor& visit) override {
    if (group == 0) {
      visit("token_embedding.weight", words_);
      visit("positional_embedding", positions_);
    } else if (group <= config_.layers) {
      blocks_[static_cast<size_t>(group - 1)].Visit(visit, BlockPrefix(group));
    } else {
      norm_final_.Visit(visit, "ln_final.");
      if (config_.projection == TextProjection::kMatrix) visit("text_projection", projection_.w);
      if (config_.projection == TextProjection::kLinear) projection_.Visit(visit, "text_projection.");
    }
  }

  void VisitLinears(int group, const nn::LinearVisitor& visit) override {
    if (group == 0 || group > config_.layers) return;
    blocks_[static_cast<size_t>(group - 1)].VisitLinears(visit, BlockPrefix(group));
  }

  std::unique_ptr<TextTowerPlan> Prepare(Precision precision) const override {
    auto plan = std::make_unique<TransformerPlan>();
    plan->config_ = config_;
    plan->info_ = info_;
    plan->words_ = words_.value();
    plan->positions_ = positions_.ToFloats();
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const bool last = i + 1 == blocks_.size();
      plan->blocks_.push_back(blocks_[i].Prepare(precision, last ? nn::Queries::kPooled : nn::Queries::kAll));
    }
    plan->norm_final_ = norm_final_.Prepare();
    if (config_.projection != TextProjection::kNone) plan->projection_ = projection_.Prepare(precision);
    return plan;
  }

  std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions& options) const override {
    auto cache = std::make_unique<TransformerCache>();
    cache->blocks.options = options;
    return cache;
  }

  void Forward(Context& context, const TextInput& input, float* pooled, nn::TowerCache* cache) override {
    Arena& arena = context.arena();
    std::optional<Arena::Scope> scope;
    if (cache == nullptr) scope.emplace(arena);
    TransformerCache unkept;
    TransformerCache& pass = cache != nullptr ? nn::CacheAs<TransformerCache>(*cache) : unkept;
    const TextRows texts = RowsOf(config_, arena, input);
    pass.rows = config_.causal ? RowsToPooled(arena, texts) : AllRows(arena, texts);
    const int64_t m = pass.rows.ids.size(), b = pass.rows.pooled.size(), d = config_.width;
    const nn::PassRows rows{.lengths = pass.rows.lengths, .pooled = pass.rows.pooled, .count = m};
    float* x = arena.Allocate<float>(m * d);  // (M, D)
    Embed(pass.rows, x);
    pass.last = nn::ForwardBlocks(context, blocks_, rows, x, cache != nullptr ? &pass.blocks : nullptr);
    pass.norm_final = norm_final_.Allocate(arena, b);
    if (config_.projection == TextProjection::kNone) {
      norm_final_.Forward(context, pass.norm_final, pass.last, b, pooled);
      return;
    }
    const Arena::Scope inner(arena);
    float* normed = arena.Allocate<float>(b * d);  // (B, D)
    norm_final_.Forward(context, pass.norm_final, pass.last, b, normed);
    projection_.Forward(context, normed, b, pooled);
  }

  void Backward(Context& context, const float* dpooled, nn::TowerCache& cache, const nn::GroupDone& done) override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const TransformerCache& pass = nn::CacheAs<TransformerCache>(cache);
    const int64_t m = pass.rows.ids.size(), b = pass.rows.pooled.size(), d = config_.width;
    const bool embedding_trains = words_.trains() || positions_.trains();
    const bool below_head = embedding_trains || nn::AnyTrains(blocks_);
    float* dlast = arena.Allocate<float>(b * d);  // (B, D)
    float* dx = arena.Allocate<float>(m * d);     // (M, D)
    HeadBackward(context, pass, dpooled, below_head, dlast);
    if (done) done(config_.layers + 1);
    nn::BackwardBlocks(context, blocks_, pass.blocks, {.dy = dlast, .dx = dx, .dx_wanted = embedding_trains}, done);
    if (embedding_trains) EmbedBackward(pass.rows, dx);
    if (done) done(0);
  }

 private:
  static std::string BlockPrefix(int group) { return "transformer.resblocks." + std::to_string(group - 1) + "."; }

  void Embed(const SelectedRows& rows, float* x) const {
    kernels::GatherRows(TensorView(words_.floats(), DType::kF32, words_.shape()), rows.ids, x);
    for (const int32_t length : rows.lengths) {
      CHECK_LE(length, config_.context_length);
      kernels::Add(positions_.floats(), int64_t{length} * config_.width, x);
      x += int64_t{length} * config_.width;
    }
  }

  void EmbedBackward(const SelectedRows& rows, const float* dx) {
    // x = words[ids] + positions
    if (words_.trains()) kernels::ScatterAddRows(rows.ids, dx, config_.width, words_.grad());
    if (!positions_.trains()) return;
    for (const int32_t length : rows.lengths) {
      kernels::Add(dx, int64_t{length} * config_.width, positions_.grad());
      dx += int64_t{length} * config_.width;
    }
  }

  // dlast (B, D) is written where the norm or what is below the head trains.
  void HeadBackward(Context& context, const TransformerCache& pass, const float* dpooled, bool below, float* dlast) {
    const int64_t b = pass.rows.pooled.size(), d = config_.width;
    const bool norm_wanted = below || norm_final_.Trains();
    const float* dnormed = dpooled;
    if (config_.projection != TextProjection::kNone) {
      const Arena::Scope scope(context.arena());
      float* normed = context.arena().Allocate<float>(b * d);  // (B, D)
      if (projection_.UsesInput()) norm_final_.Forward(context, pass.last, b, normed);
      // pooled = projection(normed)
      projection_.Backward(context, {.x = normed, .dy = dpooled, .m = b, .dx = norm_wanted ? dlast : nullptr});
      dnormed = dlast;
    }
    if (!norm_wanted) return;
    // normed = norm_final(last)
    norm_final_.Backward(context, pass.norm_final, {.x = pass.last, .dy = dnormed, .m = b}, dlast);
  }

  TransformerConfig config_;
  TextTowerInfo info_;
  nn::Param words_;      // (V, D)
  nn::Param positions_;  // (context, D)
  std::vector<nn::Block> blocks_;
  nn::LayerNorm norm_final_;
  nn::Linear projection_;
};

}  // namespace

std::unique_ptr<TextTower> MakeTransformer(const TransformerConfig& config) {
  return std::make_unique<Transformer>(config);
}

}  // namespace diptych
