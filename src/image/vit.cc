#include "image/vit.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pool.h"
#include "nn/block.h"
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
      const std::string index = std::to_string(group - 1);
      blocks_[static_cast<size_t>(group - 1)].Visit(visit, "visual.transformer.resblocks." + index + ".");
    } else {
      norm_post_.Visit(visit, "visual.ln_post.");
      visit("visual.proj", projection_.w);
    }
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

 private:
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
