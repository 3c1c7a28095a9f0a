#include "text/bert.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pool.h"
#include "kernels/products/matmul.h"
#include "nn/block.h"
#include "nn/block_stack.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"

namespace diptych {
namespace {

using kernels::Precision;

// The rows of a batch that are not padding. A text may hold the pad token in its middle (a literal "[PAD]"): the
// reference masks it as a key and leaves it out of the mean, so it is not computed at all, but keeps its position.
struct KeptRows {
  int32_t* ids;        // (kept)
  int32_t* positions;  // (kept)
  int32_t* lengths;    // (B)
  int64_t count = 0, b = 0;

  std::span<const int32_t> Ids() const { return {ids, static_cast<size_t>(count)}; }
  std::span<const int32_t> Lengths() const { return {lengths, static_cast<size_t>(b)}; }
};

KeptRows KeepRows(Arena& arena, const TextInput& input, int32_t pad_id) {
  const int64_t m = static_cast<int64_t>(input.ids.size());
  KeptRows kept{arena.Allocate<int32_t>(m), arena.Allocate<int32_t>(m),
                arena.Allocate<int32_t>(static_cast<int64_t>(input.lengths.size()))};
  kept.b = static_cast<int64_t>(input.lengths.size());
  int64_t row = 0;
  for (size_t b = 0; b < input.lengths.size(); ++b) {
    const int64_t before = kept.count;
    for (int32_t t = 0; t < input.lengths[b]; ++t, ++row) {
      if (input.ids[row] == pad_id) continue;
      kept.ids[kept.count] = input.ids[row];
      kept.positions[kept.count++] = t;
    }
    kept.lengths[b] = static_cast<int32_t>(kept.count - before);
  }
  return kept;
}

// x (M, D) -> the row of each text that is projected, y (B, D).
void PoolRows(Context& context, BertPooling pooling, std::span<const int32_t> lengths, const float* x, int64_t d,
              float* y) {
  if (pooling == BertPooling::kMean) {
    kernels::MeanPool(context, x, lengths, d, y);
    return;
  }
  for (const int32_t length : lengths) {  // the CLS row
    y = std::copy_n(x, d, y);
    x += length * d;
  }
}

void PoolRowsBackward(BertPooling pooling, std::span<const int32_t> lengths, const float* dy, int64_t d, float* dx) {
  if (pooling == BertPooling::kMean) {
    kernels::MeanPoolBackward(dy, lengths, d, dx);
    return;
  }
  for (const int32_t length : lengths) {
    std::copy_n(dy, d, dx);
    std::fill_n(dx + d, (length - 1) * d, 0.0f);
    dy += d;
    dx += length * d;
  }
}

class BertPlan : public TextTowerPlan {
 public:
  BertConfig config_;
  TextTowerInfo info_;
  nn::SharedView words_;                // (V, D)
  std::vector<float> positions_;        // (max positions, D), the embedding of token type 0 added
  nn::LayerNormPlan embedding_norm_;
  std::vector<nn::BlockPlan> blocks_;
  nn::LinearPlan projection_;           // kLinear
  nn::MlpPlan projection_mlp_;          // kMlp

  const TextTowerInfo& info() const override { return info_; }

  void Forward(Context& context, const TextInput& input, const TextOutput& output) const override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const KeptRows kept = KeepRows(arena, input, config_.pad_id);
    const std::span<const int32_t> lengths = kept.Lengths();
    const int64_t d = config_.width;
    float* x = arena.Allocate<float>(kept.count * d);  // (M, D)
    Embed(context, kept, x);
    for (size_t k = 0; k < blocks_.size(); ++k) {
      blocks_[k].Forward(context, {.lengths = lengths}, x);
      if (k < output.hidden.size() && output.hidden[k] != nullptr) Scatter(input, x, output.hidden[k]);
    }
    if (output.tokens != nullptr) Scatter(input, x, output.tokens);
    if (output.pooled != nullptr) Pool(context, lengths, x, output.pooled);
  }

 private:
  void Embed(Context& context, const KeptRows& kept, float* x) const {
    const int64_t d = config_.width;
    kernels::GatherRows(words_.view, kept.Ids(), x);
    for (int64_t i = 0; i < kept.count; ++i) {
      kernels::Add(positions_.data() + kept.positions[i] * d, d, x + i * d);
    }
    embedding_norm_.Forward(context, x, kept.count, x);
  }

  // Rows in the caller's numbering; those of masked tokens are zero.
  void Scatter(const TextInput& input, const float* x, float* y) const {
    const int64_t d = config_.width;
    for (size_t row = 0; row < input.ids.size(); ++row, y += d) {
      if (input.ids[row] == config_.pad_id) {
        std::fill_n(y, d, 0.0f);
      } else {
        std::copy_n(x, d, y);
        x += d;
      }
    }
  }

  void Pool(Context& context, std::span<const int32_t> lengths, const float* x, float* pooled) const {
    const int64_t b = static_cast<int64_t>(lengths.size()), d = config_.width;
    float* rows = config_.projection == BertProjection::kNone ? pooled : context.arena().Allocate<float>(b * d);
    PoolRows(context, config_.pooling, lengths, x, d, rows);
    if (config_.projection == BertProjection::kLinear) projection_.Forward(context, rows, b, pooled);
    if (config_.projection == BertProjection::kMlp) projection_mlp_.Forward(context, rows, b, nullptr, pooled);
  }
};

struct BertCache : nn::TowerCache {
  KeptRows rows{};
  float* embedded = nullptr;  // (M, D), what embedding_norm takes
  nn::LayerNormCache embedding_norm;
  nn::BlockStackCache blocks;
  float* row = nullptr;  // (B, D), what is projected
  nn::MlpCache projection_mlp;
};

class Bert : public TextTower {
 public:
  explicit Bert(const BertConfig& config)
      : config_(config),
        info_{.context_length = config.context_length,
              .vocab_size = config.vocab_size,
              .width = config.width,
              .layers = config.layers,
              .embed_dim = config.embed_dim},
        words_(Shape{config.vocab_size, config.width}),
        positions_(Shape{config.max_positions, config.width}),
        types_(Shape{config.token_types, config.width}),
        embedding_norm_(config.width, config.layer_norm_eps),
        projection_({.in = config.width, .out = config.embed_dim, .bias = false}) {
    const nn::BlockConfig block{.width = config.width,
                                .mlp_width = config.mlp_width,
                                .heads = config.heads,
                                .eps = config.layer_norm_eps,
                                .activation = config.activation,
                                .post_norm = true};
    for (int i = 0; i < config.layers; ++i) blocks_.emplace_back(block);
    const int64_t hidden = (config.width + config.embed_dim) / 2;  // open_clip's
    projection_mlp_.activation = kernels::Activation::kGelu;
    projection_mlp_.fc1 = nn::Linear({.in = config.width, .out = hidden, .bias = false});
    projection_mlp_.fc2 = nn::Linear({.in = hidden, .out = config.embed_dim, .bias = false});
  }

  const TextTowerInfo& info() const override { return info_; }

  int group_count() const override { return config_.layers + 2; }

  void VisitGroup(int group, const nn::ParamVisitor& visit) override {
    if (group == 0) {
      const std::string embeddings = "text.transformer.embeddings.";
      visit(embeddings + "word_embeddings.weight", words_);
      visit(embeddings + "position_embeddings.weight", positions_);
      visit(embeddings + "token_type_embeddings.weight", types_);
      embedding_norm_.Visit(visit, embeddings + "LayerNorm.");
    } else if (group <= config_.layers) {
      const std::string layer = BlockPrefix(group);
      nn::Block& block = blocks_[static_cast<size_t>(group - 1)];
      block.attention.qkv.Visit(visit, layer + "attention.self.qkv.");
      block.attention.out.Visit(visit, layer + "attention.output.dense.");
      block.norm1.Visit(visit, layer + "attention.output.LayerNorm.");
      block.mlp.fc1.Visit(visit, layer + "intermediate.dense.");
      block.mlp.fc2.Visit(visit, layer + "output.dense.");
      block.norm2.Visit(visit, layer + "output.LayerNorm.");
    } else if (config_.projection == BertProjection::kLinear) {
      projection_.Visit(visit, "text.proj.");
    } else if (config_.projection == BertProjection::kMlp) {
      projection_mlp_.fc1.Visit(visit, "text.proj.0.");
      projection_mlp_.fc2.Visit(visit, "text.proj.2.");
    }
  }

  void VisitLinears(int group, const nn::LinearVisitor& visit) override {
    if (group == 0 || group > config_.layers) return;
    nn::Block& block = blocks_[static_cast<size_t>(group - 1)];
    visit(BlockPrefix(group) + "attention.self.qkv", block.attention.qkv);
    visit(BlockPrefix(group) + "attention.output.dense", block.attention.out);
    visit(BlockPrefix(group) + "intermediate.dense", block.mlp.fc1);
    visit(BlockPrefix(group) + "output.dense", block.mlp.fc2);
  }

  std::unique_ptr<TextTowerPlan> Prepare(Precision precision) const override {
    auto plan = std::make_unique<BertPlan>();
    plan->config_ = config_;
    plan->info_ = info_;
    plan->words_ = words_.value();
    // Every text is one segment, of type 0, so its embedding belongs to the positions; only positions that a text can
    // reach are kept.
    plan->positions_ = positions_.ToFloats();
    plan->positions_.resize(static_cast<size_t>(int64_t{std::min(config_.context_length, config_.max_positions)} *
                                                config_.width));
    const std::vector<float> types = types_.ToFloats();
    for (size_t i = 0; i < plan->positions_.size(); ++i)
      plan->positions_[i] += types[i % static_cast<size_t>(config_.width)];
    plan->embedding_norm_ = embedding_norm_.Prepare();
    for (const nn::Block& block : blocks_) plan->blocks_.push_back(block.Prepare(precision));
    if (config_.projection == BertProjection::kLinear) plan->projection_ = projection_.Prepare(precision);
    if (config_.projection == BertProjection::kMlp) plan->projection_mlp_ = projection_mlp_.Prepare(precision);
    return plan;
  }

  std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions& options) const override {
    auto cache = std::make_unique<BertCache>();
    cache->blocks.options = options;
    return cache;
  }

  void Forward(Context& context, const TextInput& input, float* pooled, nn::TowerCache* cache) override {
    Arena& arena = context.arena();
    std::optional<Arena::Scope> scope;
    if (cache == nullptr) scope.emplace(arena);
    BertCache unkept;
    BertCache& pass = cache != nullptr ? nn::CacheAs<BertCache>(*cache) : unkept;
    pass.rows = KeepRows(arena, input, config_.pad_id);
    const int64_t m = pass.rows.count, b = pass.rows.b, d = config_.width;
    pass.embedded = arena.Allocate<float>(m * d);
    Embed(pass.rows, pass.embedded);
    pass.embedding_norm = embedding_norm_.Allocate(arena, m);
    float* x = arena.Allocate<float>(m * d);  // (M, D)
    embedding_norm_.Forward(context, pass.embedding_norm, pass.embedded, m, x);
    const nn::PassRows rows{.lengths = pass.rows.Lengths(), .count = m};
    const float* last = nn::ForwardBlocks(context, blocks_, rows, x, cache != nullptr ? &pass.blocks : nullptr);
    pass.row = config_.projection == BertProjection::kNone ? pooled : arena.Allocate<float>(b * d);
    PoolRows(context, config_.pooling, pass.rows.Lengths(), last, d, pass.row);
    if (config_.projection == BertProjection::kLinear) projection_.Forward(context, pass.row, b, pooled);
    if (config_.projection == BertProjection::kMlp) {
      pass.projection_mlp = projection_mlp_.Allocate(arena, b);
      projection_mlp_.Forward(context, pass.projection_mlp, pass.row, nullptr, pooled);
    }
  }

  void Backward(Context& context, const float* dpooled, nn::TowerCache& cache, const nn::GroupDone& done) override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const BertCache& pass = nn::CacheAs<BertCache>(cache);
    const int64_t m = pass.rows.count, b = pass.rows.b, d = config_.width;
    const bool embedding_trains =
        words_.trains() || positions_.trains() || types_.trains() || embedding_norm_.Trains();
    const bool below_head = embedding_trains || nn::AnyTrains(blocks_);
    float* drow = below_head ? arena.Allocate<float>(b * d) : nullptr;  // (B, D)
    float* dx = arena.Allocate<float>(m * d);                           // (M, D)
    // pooled = projection(row)
    const float* dpooled_row = config_.projection == BertProjection::kNone ? dpooled : drow;
    if (config_.projection == BertProjection::kLinear) {
      projection_.Backward(context, {.x = pass.row, .dy = dpooled, .m = b, .dx = drow});
    } else if (config_.projection == BertProjection::kMlp) {
      projection_mlp_.Backward(context, pass.projection_mlp, {.x = pass.row, .dy = dpooled, .dx = drow});
    }
    // row = pool(last)
    if (below_head) PoolRowsBackward(config_.pooling, pass.rows.Lengths(), dpooled_row, d, dx);
    if (done) done(config_.layers + 1);
    nn::BackwardBlocks(context, blocks_, pass.blocks, {.dy = dx, .dx = dx, .dx_wanted = embedding_trains}, done);
    if (embedding_trains) EmbedBackward(context, pass, dx);
    if (done) done(0);
  }

 private:
  static std::string BlockPrefix(int group) {
    return "text.transformer.encoder.layer." + std::to_string(group - 1) + ".";
  }

  // Every text is one segment, of type 0.
  void Embed(const KeptRows& rows, float* x) const {
    const int64_t d = config_.width;
    kernels::GatherRows(TensorView(words_.floats(), DType::kF32, words_.shape()), rows.Ids(), x);
    for (int64_t i = 0; i < rows.count; ++i) {
      kernels::Add(positions_.floats() + rows.positions[i] * d, d, x + i * d);
      kernels::Add(types_.floats(), d, x + i * d);
    }
  }

  // dx (M, D), the gradient of what the first block takes, is overwritten.
  void EmbedBackward(Context& context, const BertCache& pass, float* dx) {
    const KeptRows& rows = pass.rows;
    const int64_t d = config_.width;
    // x = embedding_norm(embedded)
    embedding_norm_.Backward(context, pass.embedding_norm, {.x = pass.embedded, .dy = dx, .m = rows.count}, dx);
    // embedded = words[ids] + positions[position] + types[0]
    if (words_.trains()) kernels::ScatterAddRows(rows.Ids(), dx, d, words_.grad());
    const std::span<const int32_t> positions(rows.positions, static_cast<size_t>(rows.count));
    if (positions_.trains()) kernels::ScatterAddRows(positions, dx, d, positions_.grad());
    if (types_.trains()) kernels::AddColumnSums(context, dx, rows.count, d, types_.grad());
  }

  BertConfig config_;
  TextTowerInfo info_;
  nn::Param words_, positions_, types_;  // (V, D), (max positions, D), (token types, D)
  nn::LayerNorm embedding_norm_;
  std::vector<nn::Block> blocks_;
  nn::Linear projection_;
  nn::Mlp projection_mlp_;
};

}  // namespace

std::unique_ptr<TextTower> MakeBert(const BertConfig& config) { return std::make_unique<Bert>(config); }

}  // namespace diptych
