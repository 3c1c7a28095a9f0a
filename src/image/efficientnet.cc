#include "image/efficientnet.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image/efficientnet_panels.h"
#include "kernels/pool.h"
#include "nn/conv_norm.h"
#include "nn/conv_stack.h"
#include "nn/linear.h"

namespace diptych {
namespace {

using kernels::Activation;
using kernels::ConvGeometry;
using kernels::Precision;
using nn::ConvNorm;
using nn::ConvPlan;
using nn::MapSize;

ConvNorm MakeConv(const EfficientNetConfig& config, ConvGeometry geometry, Activation activation) {
  geometry.padding = ConvGeometry::Padding::kSame;  // timm's tf_ variants keep TensorFlow's padding
  return ConvNorm(geometry, config.batch_norm_eps, activation);
}

ConvNorm Pointwise(const EfficientNetConfig& config, int in, int out, Activation activation) {
  return MakeConv(config, {.in_channels = in, .out_channels = out}, activation);
}

ConvNorm Depthwise(const EfficientNetConfig& config, int channels, int kernel, int stride) {
  return MakeConv(config,
                  {.in_channels = channels,
                   .out_channels = channels,
                   .kernel_h = kernel,
                   .kernel_w = kernel,
                   .stride = stride,
                   .groups = channels},
                  Activation::kRelu6);
}

// Expand (absent with ratio 1), filter each channel, project without activation; a shortcut where shapes allow it.
struct InvertedResidualPlan {
  std::vector<ConvPlan> convs;
  bool shortcut = false;

  // x (B, H, W, C) -> y; y may be x where the block has a shortcut.
  void Forward(Context& context, const float* x, const MapSize& in, float* y) const {
    const Arena::Scope scope(context.arena());
    const float* source = x;
    MapSize size = in;
    for (size_t i = 0; i < convs.size(); ++i) {
      const bool last = i + 1 == convs.size();
      const MapSize out = convs[i].OutputSize(size);
      float* target = last ? y : context.arena().Allocate<float>(out.NumElements());
      convs[i].Forward(context, source, size, last && shortcut ? x : nullptr, target);
      source = target;
      size = out;
    }
  }

  MapSize OutputSize(MapSize size) const {
    for (const ConvPlan& conv : convs) size = conv.OutputSize(size);
    return size;
  }
};

// What a training pass keeps, beside what goes in and comes out.
struct InvertedResidualCache {
  std::array<nn::ConvNormCache, 3> convs;
  std::array<float*, 2> maps{};  // what came out of all but the last
};

struct InvertedResidual {
  using Cache = InvertedResidualCache;

  std::vector<ConvNorm> convs;
  bool expands = false;
  bool shortcut = false;

  bool in_place() const { return shortcut; }
  bool Trains() const {
    return std::any_of(convs.begin(), convs.end(), [](const ConvNorm& conv) { return conv.Trains(); });
  }

  MapSize OutputSize(MapSize size) const {
    for (const ConvNorm& conv : convs) size = conv.OutputSize(size);
    return size;
  }

  InvertedResidualCache Allocate(Arena& arena, MapSize size) const {
    InvertedResidualCache cache;
    for (size_t i = 0; i < convs.size(); ++i) {
      cache.convs[i] = convs[i].Allocate(arena, size);
      size = cache.convs[i].out;
      if (i + 1 < convs.size()) cache.maps[i] = arena.Allocate<float>(size.NumElements());
    }
    return cache;
  }

  void Forward(Context& context, const InvertedResidualCache& cache, const float* x, nn::Statistics statistics,
               float* y) {
    const float* source = x;
    for (size_t i = 0; i < convs.size(); ++i) {
      const bool last = i + 1 == convs.size();
      float* target = last ? y : cache.maps[i];
      const float* residual = last && shortcut ? x : nullptr;
      convs[i].Forward(context, cache.convs[i], {.x = source, .residual = residual, .statistics = statistics}, target);
      source = target;
    }
  }

  // y = convs(x), + x with a shortcut: then maps.dx is maps.dy, and what the convolutions give is added.
  void Backward(Context& context, const InvertedResidualCache& cache, const nn::BlockMaps& maps) {
    float* dy = maps.dy;
    for (size_t i = convs.size(); i-- > 0;) {
      const bool first = i == 0, last = i + 1 == convs.size();
      float* dx = first ? maps.dx : context.arena().Allocate<float>(cache.convs[i].in.NumElements());
      convs[i].Backward(context, cache.convs[i],
                        {.x = first ? maps.x : cache.maps[i - 1],
                         .y = last ? maps.y : cache.maps[i],
                         .dy = dy,
                         .residual = last && shortcut,
                         .dx = dx,
                         .mode = first && shortcut ? kernels::Gradient::kAccumulate : kernels::Gradient::kWrite});
      dy = dx;
    }
  }

  // timm numbers the norms in order, and names the projection "pwl" only where there is an expansion before it.
  void Visit(const nn::ParamVisitor& visit, const std::string& prefix) {
    static const char* const kExpanding[] = {"conv_pw.", "conv_dw.", "conv_pwl."};
    static const char* const kPlain[] = {"conv_dw.", "conv_pw."};
    for (size_t i = 0; i < convs.size(); ++i) {
      const char* name = expands ? kExpanding[i] : kPlain[i];
      convs[i].Visit(visit, prefix + name, prefix + "bn" + std::to_string(i + 1) + ".");
    }
  }

  const ConvNorm& filter() const { return convs[expands ? 1 : 0]; }

  kernels::ResidualBlock PreparePanels() const {
    kernels::ResidualBlock block{.geometry = filter().geometry, .filter = filter().PrepareFilter()};
    if (expands) block.expand = convs[0].PreparePanels();
    block.project = convs.back().PreparePanels();
    block.shortcut = shortcut;
    return block;
  }

  InvertedResidualPlan Prepare(Precision precision) const {
    InvertedResidualPlan plan{.shortcut = shortcut};
    for (const ConvNorm& conv : convs) plan.convs.push_back(conv.Prepare(precision));
    return plan;
  }
};

InvertedResidual MakeBlock(const EfficientNetConfig& config, const EfficientNetStage& stage, int in, int stride) {
  InvertedResidual block;
  const int middle = in * stage.expand;
  block.expands = stage.expand != 1;
  block.shortcut = stride == 1 && in == stage.out_channels;
  if (block.expands) block.convs.push_back(Pointwise(config, in, middle, Activation::kRelu6));
  block.convs.push_back(Depthwise(config, middle, stage.kernel, stride));
  block.convs.push_back(Pointwise(config, middle, stage.out_channels, Activation::kNone));
  return block;
}

class EfficientNetPlan : public ImageTowerPlan {
 public:
  ImageTowerInfo info_;
  ConvPlan stem_, head_;
  std::vector<InvertedResidualPlan> blocks_;
  nn::LinearPlan projection_;

  const ImageTowerInfo& info() const override { return info_; }

  // A few pictures at a time: their maps stay near the cores. All 32 of a batch at once took 1.5 times as long in fp32,
  // and 2.2 times in bf16; one at a time is too little for the last products.
  void Forward(Context& context, const ImageInput& input, const ImageOutput& output) const override {
    const int64_t piece = int64_t{kPicturesOfThread} * context.threads();
    const int64_t picture = int64_t{3} * info_.image_size * info_.image_size;
    const Arena::Scope scope(context.arena());
    const size_t states = output.hidden.size();
    float** hidden = context.arena().Allocate<float*>(static_cast<int64_t>(states));
    for (int64_t first = 0; first < input.batch; first += piece) {
      const auto from = [first](float* rows, int64_t size) { return rows == nullptr ? nullptr : rows + first * size; };
      for (size_t k = 0; k < states; ++k) hidden[k] = from(output.hidden[k], info_.hidden_size[k]);
      ForwardPiece(context, {.pixels = input.pixels + first * picture, .batch = std::min(piece, input.batch - first)},
                   {.pooled = from(output.pooled, info_.embed_dim),
                    .tokens = from(output.tokens, info_.token_count * info_.token_width),
                    .hidden = {hidden, states}});
    }
  }

  // Sizes that depend on the shapes alone, once all layers stand.
  void Finish() {
    MapSize size = stem_.OutputSize({1, info_.image_size, info_.image_size, 3});
    largest_map_ = size.NumElements();
    for (const InvertedResidualPlan& block : blocks_) {
      size = block.OutputSize(size);
      largest_map_ = std::max(largest_map_, size.NumElements());
    }
  }

 private:
  static constexpr int kPicturesOfThread = 2;

  void ForwardPiece(Context& context, const ImageInput& input, const ImageOutput& output) const {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const int s = info_.image_size;
    MapSize size{input.batch, s, s, 3};
    float* pixels = arena.Allocate<float>(size.NumElements());  // (B, S, S, 3)
    kernels::ChannelsLast(context, input.pixels, {size.b, size.h, size.w, size.c}, pixels);

    // Two buffers in turn hold the maps between blocks; the largest is one of the first.
    float* maps[2];
    for (float*& map : maps) map = arena.Allocate<float>(input.batch * largest_map_);
    int current = 0;
    stem_.Forward(context, pixels, size, nullptr, maps[current]);
    size = stem_.OutputSize(size);
    for (size_t k = 0; k < blocks_.size(); ++k) {
      const int next = blocks_[k].shortcut ? current : 1 - current;
      blocks_[k].Forward(context, maps[current], size, maps[next]);
      size = blocks_[k].OutputSize(size);
      current = next;
      if (k < output.hidden.size() && output.hidden[k] != nullptr) {
        std::copy_n(maps[current], size.NumElements(), output.hidden[k]);
      }
    }
    if (output.pooled == nullptr && output.tokens == nullptr) return;

    const MapSize out = head_.OutputSize(size);
    float* features = output.tokens != nullptr ? output.tokens : arena.Allocate<float>(out.NumElements());
    head_.Forward(context, maps[current], size, nullptr, features);  // (B, H, W, head channels)
    if (output.pooled == nullptr) return;
    float* mean = arena.Allocate<float>(out.b * out.c);  // (B, head channels)
    kernels::GlobalAveragePool(context, features, out.b, int64_t{out.h} * out.w, out.c, mean);
    projection_.Forward(context, mean, out.b, output.pooled);
  }

  int64_t largest_map_ = 0;  // floats for one picture
};

// Of one convolution over a square map; `side` becomes that of its output.
double Flops(const ConvGeometry& conv, int& side) {
  side = conv.OutSize(side, conv.kernel_h);
  return 2.0 * side * side * conv.out_channels * (conv.in_channels / conv.groups) * conv.kernel_h * conv.kernel_w;
}

struct EfficientNetCache : nn::TowerCache {
  ImageInput input;
  float* pixels = nullptr;  // (B, S, S, 3)
  nn::ConvNormCache stem, head;
  nn::ConvStackCache<InvertedResidual> stages;
  float* last = nullptr;      // what the head takes
  float* features = nullptr;  // (B, H, W, head channels)
  float* mean = nullptr;      // (B, head channels)
};

class EfficientNet : public ImageTower {
 public:
  explicit EfficientNet(const EfficientNetConfig& config)
      : projection_({.in = config.head_channels, .out = config.embed_dim, .bias = config.projection_bias}) {
    stem_ = MakeConv(
        config, {.in_channels = 3, .out_channels = config.stem_channels, .kernel_h = 3, .kernel_w = 3, .stride = 2},
        Activation::kRelu6);
    info_.image_size = config.image_size;
    info_.embed_dim = config.embed_dim;
    int channels = config.stem_channels;
    int side = config.image_size;
    info_.flops = Flops(stem_.geometry, side);
    for (const EfficientNetStage& stage : config.stages) {
      std::vector<InvertedResidual>& blocks = stages_.emplace_back();
      for (int i = 0; i < stage.depth; ++i) {
        blocks.push_back(MakeBlock(config, stage, channels, i == 0 ? stage.stride : 1));
        channels = stage.out_channels;
        for (const ConvNorm& conv : blocks.back().convs) info_.flops += Flops(conv.geometry, side);
        info_.hidden_size.push_back(int64_t{side} * side * channels);
      }
    }
    head_ = Pointwise(config, channels, config.head_channels, Activation::kRelu6);
    info_.flops += Flops(head_.geometry, side) + 2.0 * config.head_channels * config.embed_dim;
    info_.token_count = int64_t{side} * side;
    info_.token_width = config.head_channels;
  }

  const ImageTowerInfo& info() const override { return info_; }

  /// The stem, the stages, the head.
  int group_count() const override { return static_cast<int>(stages_.size()) + 2; }

  void VisitGroup(int group, const nn::ParamVisitor& visit) override {
    const std::string trunk = "visual.trunk.";
    const int stages = static_cast<int>(stages_.size());
    if (group == 0) {
      stem_.Visit(visit, trunk + "conv_stem.", trunk + "bn1.");
    } else if (group <= stages) {
      std::vector<InvertedResidual>& blocks = stages_[static_cast<size_t>(group - 1)];
      const std::string stage = trunk + "blocks." + std::to_string(group - 1) + ".";
      for (size_t i = 0; i < blocks.size(); ++i) blocks[i].Visit(visit, stage + std::to_string(i) + ".");
    } else {
      head_.Visit(visit, trunk + "conv_head.", trunk + "bn2.");
      projection_.Visit(visit, "visual.head.proj.");
    }
  }

  std::unique_ptr<ImageTowerPlan> Prepare(Precision precision) const override {
    // bf16 promises a cosine of 0.999, which maps in bf16 miss on smooth pictures (0.995); int8 promises 0.99.
    if (precision == Precision::kInt8 && kernels::HasFastPanels() && FitsPanels()) return PreparePanels(precision);
    auto plan = std::make_unique<EfficientNetPlan>();
    plan->info_ = info_;
    plan->stem_ = stem_.Prepare(precision);
    for (const auto& stage : stages_) {
      for (const InvertedResidual& block : stage) plan->blocks_.push_back(block.Prepare(precision));
    }
    plan->head_ = head_.Prepare(precision);
    plan->projection_ = projection_.Prepare(precision);
    plan->Finish();
    return plan;
  }

  std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions& options) const override {
    auto cache = std::make_unique<EfficientNetCache>();
    cache->stages.options = options;
    return cache;
  }

  void Forward(Context& context, const ImageInput& input, float* pooled, nn::TowerCache* cache) override {
    Arena& arena = context.arena();
    std::optional<Arena::Scope> scope;
    if (cache == nullptr) scope.emplace(arena);
    EfficientNetCache unkept;
    EfficientNetCache& pass = cache != nullptr ? nn::CacheAs<EfficientNetCache>(*cache) : unkept;
    pass.input = input;
    const nn::Statistics statistics = cache != nullptr ? nn::Statistics::kMove : nn::Statistics::kStay;
    MapSize size = stem_.OutputSize(PixelsSize(input.batch));
    float* x = arena.Allocate<float>(size.NumElements());
    if (cache != nullptr && !pass.stages.options.recompute) {
      ForwardStem(context, statistics, pass, x);
    } else {
      const Arena::Scope stem_scope(arena);
      ForwardStem(context, statistics, pass, x);
    }
    pass.last = nn::ForwardStages(context, stages_, x, size, cache != nullptr ? &pass.stages : nullptr);
    pass.head = head_.Allocate(arena, size);
    const MapSize& out = pass.head.out;
    pass.features = arena.Allocate<float>(out.NumElements());
    pass.mean = arena.Allocate<float>(out.b * out.c);
    head_.Forward(context, pass.head, {.x = pass.last, .statistics = statistics}, pass.features);
    kernels::GlobalAveragePool(context, pass.features, out.b, int64_t{out.h} * out.w, out.c, pass.mean);
    projection_.Forward(context, pass.mean, out.b, pooled);
  }

  void Backward(Context& context, const float* dpooled, nn::TowerCache& cache, const nn::GroupDone& done) override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    EfficientNetCache& pass = nn::CacheAs<EfficientNetCache>(cache);
    int lowest = 0;
    while (!stem_.Trains() && lowest < static_cast<int>(stages_.size()) && !nn::StageTrains(stages_[lowest])) ++lowest;
    const bool below_head = lowest < static_cast<int>(stages_.size());
    float* dlast = below_head ? arena.Allocate<float>(pass.head.in.NumElements()) : nullptr;
    BackwardHead(context, dpooled, pass, dlast);
    if (done) done(group_count() - 1);
    // last = stages(stem(pixels))
    float* dx = nn::BackwardStages(context, stages_, pass.stages,
                                   {.dy = dlast, .dx_wanted = stem_.Trains(), .lowest = lowest}, done);
    if (stem_.Trains()) {
      float* y = pass.stages.maps[0];
      if (pass.stages.options.recompute) ForwardStem(context, nn::Statistics::kStay, pass, y);
      stem_.Backward(context, pass.stem, {.x = pass.pixels, .y = y, .dy = dx});
    }
    if (done) done(0);
  }

 private:
  // The first block has no expansion in any EfficientNet; filters of other sizes would have no kernel.
  bool FitsPanels() const {
    for (const auto& stage : stages_) {
      for (const InvertedResidual& block : stage) {
        if (!kernels::IsPanelFilter(block.filter().geometry.kernel_h, block.filter().geometry.stride)) return false;
      }
    }
    return !stages_.empty() && !stages_[0].empty() && !stages_[0][0].expands && !stages_[0][0].shortcut;
  }

  std::unique_ptr<ImageTowerPlan> PreparePanels(Precision precision) const {
    EfficientNetPanels::Parts parts{.info = info_};
    for (const auto& stage : stages_) {
      for (const InvertedResidual& block : stage) parts.blocks.push_back(block.PreparePanels());
    }
    parts.blocks[0].stem = stem_.PreparePanels();
    parts.blocks[0].stem_geometry = stem_.geometry;
    parts.head = head_.PreparePanels();
    parts.projection = projection_.Prepare(precision);
    return std::make_unique<EfficientNetPanels>(std::move(parts));
  }

  MapSize PixelsSize(int64_t b) const { return {b, info_.image_size, info_.image_size, 3}; }

  // What it keeps is allocated in the caller's scope.
  void ForwardStem(Context& context, nn::Statistics statistics, EfficientNetCache& pass, float* y) {
    const MapSize size = PixelsSize(pass.input.batch);
    pass.pixels = context.arena().Allocate<float>(size.NumElements());
    pass.stem = stem_.Allocate(context.arena(), size);
    kernels::ChannelsLast(context, pass.input.pixels, {size.b, size.h, size.w, size.c}, pass.pixels);
    stem_.Forward(context, pass.stem, {.x = pass.pixels, .statistics = statistics}, y);
  }

  // dlast may be null: not wanted.
  void BackwardHead(Context& context, const float* dpooled, const EfficientNetCache& pass, float* dlast) {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const MapSize& out = pass.head.out;
    const bool below_projection = dlast != nullptr || head_.Trains();
    // pooled = projection(mean)
    float* dmean = below_projection ? arena.Allocate<float>(out.b * out.c) : nullptr;
    projection_.Backward(context, {.x = pass.mean, .dy = dpooled, .m = out.b, .dx = dmean});
    if (!below_projection) return;
    // mean = average(head(last))
    float* dfeatures = arena.Allocate<float>(out.NumElements());
    kernels::GlobalAveragePoolBackward(context, dmean, out.b, int64_t{out.h} * out.w, out.c, dfeatures);
    head_.Backward(context, pass.head, {.x = pass.last, .y = pass.features, .dy = dfeatures, .dx = dlast});
  }

  ImageTowerInfo info_;
  ConvNorm stem_, head_;
  nn::ConvStages<InvertedResidual> stages_;
  nn::Linear projection_;
};

}  // namespace

std::unique_ptr<ImageTower> MakeEfficientNet(const EfficientNetConfig& config) {
  return std::make_unique<EfficientNet>(config);
}

}  // namespace diptych
