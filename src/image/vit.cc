#include "image/vit.h"

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

class VitPlan : public ImageTowerPlan {
 public:
  VitConfig config_;
  ImageTowerInfo info_;
  nn::LinearPlan patch_;                  // (D, 3*P*P)
  std::vector<float> class_row_;          // (D), the class token with its position
  std::vector<float> patch_positions_;    // (G*G, D)
  nn::LayerNormPlan norm_pre_, norm_post_;
  std::vector<nn::BlockPlan> blocks_;     // the last one prepared for pooled queries where the class token is pooled
  nn::LinearPlan projection_;

  const ImageTowerInfo& info() const override { return info_; }

  void Forward(Context& context, const ImageInput& input, const ImageOutput& output) const override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const int64_t b = input.batch, t = info_.token_count, d = config_.width;
    if (config_.merge_tokens > 0) return ForwardMerging(context, input, output);
    float* x = arena.Allocate<float>(b * t * d);  // (B, T, D)
    Embed(context, input, x);
    if (config_.pre_norm) norm_pre_.Forward(context, x, b * t, x);

    int32_t* lengths = arena.Allocate<int32_t>(b);
    std::fill_n(lengths, b, static_cast<int32_t>(t));
    const nn::Sequences rows{.lengths = {lengths, static_cast<size_t>(b)}};
    // Only the class token's row of the last block reaches a pooled answer.
    const bool only_pooled = config_.pooling == VitPooling::kClassToken && output.tokens == nullptr &&
                             (output.hidden.size() < blocks_.size() || output.hidden[blocks_.size() - 1] == nullptr);
    const size_t full_blocks = blocks_.size() - (only_pooled ? 1 : 0);
    for (size_t k = 0; k < full_blocks; ++k) {
      blocks_[k].Forward(context, rows, x);
      if (k < output.hidden.size() && output.hidden[k] != nullptr) std::copy_n(x, b * t * d, output.hidden[k]);
    }
    if (output.pooled == nullptr && output.tokens == nullptr) return;

    float* pooled = arena.Allocate<float>(b * d);  // (B, D)
    if (only_pooled) {
      int64_t* class_rows = arena.Allocate<int64_t>(b);
      for (int64_t i = 0; i < b; ++i) class_rows[i] = i * t;
      blocks_.back().ForwardPooled(context, rows, {class_rows, static_cast<size_t>(b)}, x, pooled);
      norm_post_.Forward(context, pooled, b, pooled);
    } else {
      Pool(context, b, x, pooled);
      if (output.tokens != nullptr) std::copy_n(x, b * t * d, output.tokens);
    }
    if (output.pooled != nullptr) projection_.Forward(context, pooled, b, output.pooled);
  }

 private:
  // As Forward, with fewer tokens after each block.
  void ForwardMerging(Context& context, const ImageInput& input, const ImageOutput& output) const {
    CHECK(output.tokens == nullptr && output.hidden.empty()) << " merged tokens are no patches";
    Arena& arena = context.arena();
    const int64_t b = input.batch, d = config_.width;
    nn::MergingRows merging = nn::MergingRows::Allocate(arena, b, info_.token_count, d);
    Embed(context, input, merging.rows.x);
    if (config_.pre_norm) norm_pre_.Forward(context, merging.rows.x, b * info_.token_count, merging.rows.x);
    const bool only_pooled = config_.pooling == VitPooling::kClassToken;  // nothing to merge in the last block then
    for (size_t k = 0; k < blocks_.size() - (only_pooled ? 1 : 0); ++k) {
      blocks_[k].ForwardMerging(context, kernels::MergeableTokens(merging.rows.tokens, config_.merge_tokens), merging);
    }
    float* pooled = arena.Allocate<float>(b * d);  // (B, D)
    const int64_t t = merging.rows.tokens;
    if (only_pooled) {
      int64_t* class_rows = arena.Allocate<int64_t>(b);
      for (int64_t i = 0; i < b; ++i) class_rows[i] = i * t;
      const nn::Sequences rows = merging.AsSequences(arena.Allocate<float>(b * t));
      blocks_.back().ForwardPooled(context, rows, {class_rows, static_cast<size_t>(b)}, merging.rows.x, pooled);
      norm_post_.Forward(context, pooled, b, pooled);
    } else {
      if (!config_.norm_after_pool) norm_post_.Forward(context, merging.rows.x, b * t, merging.rows.x);
      kernels::WeightedPatchMean(merging.rows, pooled);
      if (config_.norm_after_pool) norm_post_.Forward(context, pooled, b, pooled);
    }
    if (output.pooled != nullptr) projection_.Forward(context, pooled, b, output.pooled);
  }

  // Patches as rows of one matrix product, then positions and the class token.
  void Embed(Context& context, const ImageInput& input, float* x) const {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const int64_t b = input.batch, t = info_.token_count, d = config_.width;
    const int64_t patches = t - 1, columns = int64_t{3} * config_.patch_size * config_.patch_size;
    float* rows = arena.Allocate<float>(b * patches * columns);  // (B*G*G, 3*P*P)
    float* embedded = arena.Allocate<float>(b * patches * d);    // (B*G*G, D)
    kernels::ExtractPatches(context, input.pixels, b, 3, config_.image_size, config_.patch_size, rows);
    patch_.Forward(context, rows, b * patches, embedded);
    for (int64_t i = 0; i < b; ++i) {
      float* tokens = x + i * t * d;
      std::copy_n(class_row_.data(), d, tokens);
      std::copy_n(embedded + i * patches * d, patches * d, tokens + d);
      kernels::Add(patch_positions_.data(), patches * d, tokens + d);
    }
  }

  // x (B, T, D) -> pooled (B, D), normalised; x becomes what was pooled.
  void Pool(Context& context, int64_t b, float* x, float* pooled) const {
    const int64_t t = info_.token_count, d = config_.width;
    if (!config_.norm_after_pool) norm_post_.Forward(context, x, b * t, x);
    for (int64_t i = 0; i < b; ++i) {
      const float* tokens = x + i * t * d;
      if (config_.pooling == VitPooling::kClassToken) {
        std::copy_n(tokens, d, pooled + i * d);
      } else {
        kernels::GlobalAveragePool(context, tokens + d, 1, t - 1, d, pooled + i * d);
      }
    }
    if (config_.norm_after_pool) norm_post_.Forward(context, pooled, b, pooled);
  }
};

struct VitCache : nn::TowerCache {
  ImageInput input;
  float* embedded = nullptr;  // (B, T, D), what norm_pre takes or, without one, the first block
  nn::LayerNormCache norm_pre, norm_post;
  nn::BlockStackCache blocks;
  float* last = nullptr;      // the last block's output: (B, D) with class token pooling, else (B, T, D)
  float* averaged = nullptr;  // (B, D), what norm_post takes with norm_after_pool, else unused
  float* row = nullptr;       // (B, D), what is projected
};

class Vit : public ImageTower {
 public:
  explicit Vit(const VitConfig& config)
      : config_(config),
        grid_(config.image_size / config.patch_size),
        patch_(Shape{config.width, 3, config.patch_size, config.patch_size}),
        class_embedding_(Shape{config.width}),
        positions_(Shape{int64_t{grid_} * grid_ + 1, config.width}),
        norm_pre_(config.width, config.layer_norm_eps),
        norm_post_(config.width, config.layer_norm_eps),
        projection_({.in = config.width, .out = config.embed_dim, .bias = false, .order = config.projection_order}) {
    info_.image_size = config.image_size;
    info_.embed_dim = config.embed_dim;
    info_.token_count = int64_t{grid_} * grid_ + 1;
    info_.token_width = config.width;
    info_.hidden_size.assign(static_cast<size_t>(config.layers), info_.token_count * config.width);
    info_.flops = Flops();
    const nn::BlockConfig block{.width = config.width,
                                .mlp_width = config.mlp_width,
                                .heads = config.heads,
                                .eps = config.layer_norm_eps,
                                .activation = config.activation};
    for (int i = 0; i < config.layers; ++i) blocks_.emplace_back(block);
  }

  const ImageTowerInfo& info() const override { return info_; }

  int group_count() const override { return config_.layers + 2; }

  void VisitGroup(int group, const nn::ParamVisitor& visit) override {
    if (group == 0) {
      visit("visual.conv1.weight", patch_);
      visit("visual.class_embedding", class_embedding_);
      visit("visual.positional_embedding", positions_);
      if (config_.pre_norm) norm_pre_.Visit(visit, "visual.ln_pre.");
    } else if (group <= config_.layers) {
      blocks_[static_cast<size_t>(group - 1)].Visit(visit, BlockPrefix(group));
    } else {
      norm_post_.Visit(visit, "visual.ln_post.");
      visit("visual.proj", projection_.w);
    }
  }

  void VisitLinears(int group, const nn::LinearVisitor& visit) override {
    if (group == 0 || group > config_.layers) return;
    blocks_[static_cast<size_t>(group - 1)].VisitLinears(visit, BlockPrefix(group));
  }

  std::unique_ptr<ImageTowerPlan> Prepare(Precision precision) const override {
    auto plan = std::make_unique<VitPlan>();
    const int64_t d = config_.width, columns = int64_t{3} * config_.patch_size * config_.patch_size;
    plan->config_ = config_;
    plan->info_ = info_;
    patch_.Consume([&](TensorView w) {
      const TensorView matrix(w.raw(), w.dtype(), Shape{d, columns});
      plan->patch_ = {.w = kernels::PackLinear(matrix, kernels::WeightOrder::kOutIn, precision), .out = d};
    });
    const std::vector<float> positions = positions_.ToFloats();
    plan->class_row_ = class_embedding_.ToFloats();
    for (int64_t i = 0; i < d; ++i) plan->class_row_[static_cast<size_t>(i)] += positions[static_cast<size_t>(i)];
    plan->patch_positions_.assign(positions.begin() + d, positions.end());
    if (config_.pre_norm) plan->norm_pre_ = norm_pre_.Prepare();
    plan->norm_post_ = norm_post_.Prepare();
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const bool pooled = i + 1 == blocks_.size() && config_.pooling == VitPooling::kClassToken;
      plan->blocks_.push_back(blocks_[i].Prepare(precision, pooled ? nn::Queries::kPooled : nn::Queries::kAll));
    }
    plan->projection_ = projection_.Prepare(precision);
    return plan;
  }

  std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions& options) const override {
    auto cache = std::make_unique<VitCache>();
    cache->blocks.options = options;
    return cache;
  }

  void Forward(Context& context, const ImageInput& input, float* pooled, nn::TowerCache* cache) override {
    Arena& arena = context.arena();
    std::optional<Arena::Scope> scope;
    if (cache == nullptr) scope.emplace(arena);
    VitCache unkept;
    VitCache& pass = cache != nullptr ? nn::CacheAs<VitCache>(*cache) : unkept;
    const int64_t b = input.batch, m = b * info_.token_count, d = config_.width;
    pass.input = input;
    pass.embedded = arena.Allocate<float>(m * d);
    Embed(context, input, pass.embedded);
    float* x = pass.embedded;
    if (config_.pre_norm) {
      pass.norm_pre = norm_pre_.Allocate(arena, m);
      x = arena.Allocate<float>(m * d);
      norm_pre_.Forward(context, pass.norm_pre, pass.embedded, m, x);
    }
    pass.last = nn::ForwardBlocks(context, blocks_, RowsOf(arena, b), x, cache != nullptr ? &pass.blocks : nullptr);
    pass.row = arena.Allocate<float>(b * d);
    Pool(context, pass);
    projection_.Forward(context, pass.row, b, pooled);
  }

  void Backward(Context& context, const float* dpooled, nn::TowerCache& cache, const nn::GroupDone& done) override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const VitCache& pass = nn::CacheAs<VitCache>(cache);
    const int64_t b = pass.input.batch, m = b * info_.token_count, d = config_.width;
    const bool embedding_trains = EmbeddingTrains();
    const bool below_head = embedding_trains || nn::AnyTrains(blocks_);
    const bool below_projection = below_head || norm_post_.Trains();
    float* drow = arena.Allocate<float>(b * d);  // (B, D)
    float* dx = arena.Allocate<float>(m * d);    // (B, T, D)
    // pooled = projection(row)
    projection_.Backward(context, {.x = pass.row, .dy = dpooled, .m = b, .dx = below_projection ? drow : nullptr});
    const float* dlast = below_projection ? PoolBackward(context, pass, drow, dx) : nullptr;
    if (done) done(config_.layers + 1);
    nn::BackwardBlocks(context, blocks_, pass.blocks, {.dy = dlast, .dx = dx, .dx_wanted = embedding_trains}, done);
    if (embedding_trains) EmbedBackward(context, pass, dx);
    if (done) done(0);
  }

 private:
  static std::string BlockPrefix(int group) {
    return "visual.transformer.resblocks." + std::to_string(group - 1) + ".";
  }

  bool ClassToken() const { return config_.pooling == VitPooling::kClassToken; }

  // Every picture is a sequence; only the class token's row of the last block reaches a pooled answer.
  nn::PassRows RowsOf(Arena& arena, int64_t b) const {
    const int64_t t = info_.token_count;
    int32_t* lengths = arena.Allocate<int32_t>(b);
    std::fill_n(lengths, b, static_cast<int32_t>(t));
    nn::PassRows rows{.lengths = {lengths, static_cast<size_t>(b)}, .count = b * t};
    if (ClassToken()) {
      int64_t* class_rows = arena.Allocate<int64_t>(b);
      for (int64_t i = 0; i < b; ++i) class_rows[i] = i * t;
      rows.pooled = {class_rows, static_cast<size_t>(b)};
    }
    return rows;
  }

  int64_t Patches() const { return info_.token_count - 1; }
  int64_t Columns() const { return int64_t{3} * config_.patch_size * config_.patch_size; }

  // Patches as rows of one matrix product, then positions and the class token.
  void Embed(Context& context, const ImageInput& input, float* x) const {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const int64_t b = input.batch, t = info_.token_count, d = config_.width, patches = Patches();
    float* rows = arena.Allocate<float>(b * patches * Columns());  // (B*G*G, 3*P*P)
    float* embedded = arena.Allocate<float>(b * patches * d);      // (B*G*G, D)
    kernels::ExtractPatches(context, input.pixels, b, 3, config_.image_size, config_.patch_size, rows);
    kernels::MatMul(context, {.m = b * patches,
                              .n = d,
                              .k = Columns(),
                              .a = rows,
                              .b = patch_.floats(),
                              .transpose_b = true,
                              .c = embedded});
    for (int64_t i = 0; i < b; ++i) {
      float* tokens = x + i * t * d;
      std::copy_n(class_embedding_.floats(), d, tokens);
      std::copy_n(embedded + i * patches * d, patches * d, tokens + d);
      kernels::Add(positions_.floats(), t * d, tokens);
    }
  }

  bool EmbeddingTrains() const {
    return patch_.trains() || class_embedding_.trains() || positions_.trains() || norm_pre_.Trains();
  }

  // dx (B, T, D), the gradient of what the first block takes, is overwritten.
  void EmbedBackward(Context& context, const VitCache& pass, float* dx) {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const int64_t b = pass.input.batch, t = info_.token_count, d = config_.width, patches = Patches();
    // x = norm_pre(embedded)
    if (config_.pre_norm) {
      norm_pre_.Backward(context, pass.norm_pre, {.x = pass.embedded, .dy = dx, .m = b * t}, dx);
    }
    // embedded = (class token, patches) + positions
    for (int64_t i = 0; i < b; ++i) {
      if (positions_.trains()) kernels::Add(dx + i * t * d, t * d, positions_.grad());
      if (class_embedding_.trains()) kernels::Add(dx + i * t * d, d, class_embedding_.grad());
    }
    if (!patch_.trains()) return;
    float* rows = arena.Allocate<float>(b * patches * Columns());  // (B*G*G, 3*P*P)
    float* drows = arena.Allocate<float>(b * patches * d);         // (B*G*G, D)
    kernels::ExtractPatches(context, pass.input.pixels, b, 3, config_.image_size, config_.patch_size, rows);
    for (int64_t i = 0; i < b; ++i) std::copy_n(dx + (i * t + 1) * d, patches * d, drows + i * patches * d);
    kernels::MatMul(context, {.m = d,
                              .n = Columns(),
                              .k = b * patches,
                              .a = drows,
                              .transpose_a = true,
                              .b = rows,
                              .c = patch_.grad(),
                              .accumulate = true});
  }

  // pass.last -> pass.row. What is kept is allocated here, in the caller's scope.
  void Pool(Context& context, VitCache& pass) const {
    Arena& arena = context.arena();
    const int64_t b = pass.input.batch, t = info_.token_count, d = config_.width;
    if (ClassToken() || config_.norm_after_pool) {
      pass.norm_post = norm_post_.Allocate(arena, b);
      pass.averaged = ClassToken() ? pass.last : arena.Allocate<float>(b * d);
      if (!ClassToken()) Average(context, b, pass.last, pass.averaged);
      norm_post_.Forward(context, pass.norm_post, pass.averaged, b, pass.row);
    } else {
      pass.norm_post = norm_post_.Allocate(arena, b * t);
      const Arena::Scope scope(arena);
      float* normed = arena.Allocate<float>(b * t * d);  // (B, T, D)
      norm_post_.Forward(context, pass.norm_post, pass.last, b * t, normed);
      Average(context, b, normed, pass.row);
    }
  }

  // drow (B, D) is overwritten. Returns the gradient of pass.last: drow or dx (B, T, D).
  float* PoolBackward(Context& context, const VitCache& pass, float* drow, float* dx) {
    const int64_t b = pass.input.batch, t = info_.token_count;
    if (ClassToken() || config_.norm_after_pool) {
      // row = norm_post(averaged), averaged = average(last) or its class row
      norm_post_.Backward(context, pass.norm_post, {.x = pass.averaged, .dy = drow, .m = b}, drow);
      if (ClassToken()) return drow;
      AverageBackward(b, drow, dx);
    } else {
      // row = average(norm_post(last))
      AverageBackward(b, drow, dx);
      norm_post_.Backward(context, pass.norm_post, {.x = pass.last, .dy = dx, .m = b * t}, dx);
    }
    return dx;
  }

  // Over the patches, without the class token: x (B, T, D) -> y (B, D).
  void Average(Context& context, int64_t b, const float* x, float* y) const {
    const int64_t t = info_.token_count, d = config_.width;
    for (int64_t i = 0; i < b; ++i) kernels::GlobalAveragePool(context, x + (i * t + 1) * d, 1, t - 1, d, y + i * d);
  }

  void AverageBackward(int64_t b, const float* dy, float* dx) const {
    const int64_t t = info_.token_count, d = config_.width;
    const int32_t patches = static_cast<int32_t>(Patches());
    for (int64_t i = 0; i < b; ++i, dx += t * d) {
      std::fill_n(dx, d, 0.0f);
      kernels::MeanPoolBackward(dy + i * d, {&patches, 1}, d, dx + d);
    }
  }

  // Every row of every block, though the last block is computed for the pooled row alone.
  double Flops() const {
    const double t = static_cast<double>(info_.token_count), d = config_.width, f = config_.mlp_width;
    const double patches = (t - 1) * 3 * config_.patch_size * config_.patch_size * d;
    const double block = t * (4 * d * d + 2 * d * f) + 2 * t * t * d;
    return 2 * (patches + config_.layers * block + d * config_.embed_dim);
  }

  VitConfig config_;
  int grid_;  // G
  ImageTowerInfo info_;
  nn::Param patch_;            // (D, 3, P, P)
  nn::Param class_embedding_;  // (D)
  nn::Param positions_;        // (T, D)
  nn::LayerNorm norm_pre_, norm_post_;
  std::vector<nn::Block> blocks_;
  nn::Linear projection_;      // (D, E) or (E, D)
};

}  // namespace

std::unique_ptr<ImageTower> MakeVit(const VitConfig& config) { return std::make_unique<Vit>(config); }

}  // namespace diptych
