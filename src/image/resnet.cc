#include "image/resnet.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pool.h"
#include "nn/attention_pool.h"
#include "nn/conv_norm.h"
#include "nn/conv_stack.h"

namespace diptych {
namespace {

using kernels::Activation;
using kernels::Precision;
using nn::ConvNorm;
using nn::ConvPlan;
using nn::MapSize;

constexpr int kExpansion = 4;  // a block's outputs, in units of its inner channels

ConvNorm Pointwise(const ResNetConfig& config, int in, int out, Activation activation) {
  return ConvNorm({.in_channels = in, .out_channels = out}, config.batch_norm_eps, activation);
}

ConvNorm ThreeByThree(const ResNetConfig& config, int in, int out, int stride = 1) {
  return ConvNorm({.in_channels = in, .out_channels = out, .kernel_h = 3, .kernel_w = 3, .stride = stride, .pad = 1},
                  config.batch_norm_eps, Activation::kRelu);
}

MapSize Pooled(MapSize size, int stride) {
  return {size.b, size.h / stride, size.w / stride, size.c};
}

kernels::MapShape ShapeOf(const MapSize& size) {
  return {size.b, size.h, size.w, size.c};
}

// x averaged over windows of the stride, in the arena; x itself with stride 1.
const float* Pool(Context& context, const float* x, const MapSize& size, int stride) {
  if (stride == 1) return x;
  float* y = context.arena().Allocate<float>(Pooled(size, stride).NumElements());
  kernels::AveragePool(context, x, ShapeOf(size), stride, y);
  return y;
}

struct BottleneckPlan {
  ConvPlan conv1, conv2, conv3;
  ConvPlan downsample;  // of the shortcut, where it has one
  bool downsamples = false;
  int stride = 1;

  MapSize OutputSize(const MapSize& in) const {
    MapSize out = Pooled(in, stride);
    out.c = conv3.geometry.out_channels;
    return out;
  }

  // x (B, H, W, C) -> y (B, H/stride, W/stride, C'); y may be x where nothing is downsampled.
  void Forward(Context& context, const float* x, const MapSize& in, float* y) const {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const MapSize inner = conv1.OutputSize(in), out = OutputSize(in);
    float* reduced = arena.Allocate<float>(inner.NumElements());
    float* filtered = arena.Allocate<float>(inner.NumElements());
    conv1.Forward(context, x, in, nullptr, reduced);
    conv2.Forward(context, reduced, inner, nullptr, filtered);
    const float* shortcut = x;
    if (downsamples) {
      downsample.Forward(context, Pool(context, x, in, stride), Pooled(in, stride), nullptr, y);
      shortcut = y;
    }
    conv3.Forward(context, Pool(context, filtered, inner, stride), {out.b, out.h, out.w, inner.c}, shortcut, y);
  }
};

// What a training pass keeps, beside what goes in and comes out.
struct BottleneckCache {
  nn::ConvNormCache conv1, conv2, conv3, downsample;
  float* reduced = nullptr;   // out of conv1
  float* filtered = nullptr;  // out of conv2
  float* pooled = nullptr;    // filtered, averaged; itself with stride 1
  float* pooled_x = nullptr;  // the same of x, where the shortcut has a convolution and a stride
};

struct Bottleneck {
  using Cache = BottleneckCache;

  ConvNorm conv1, conv2, conv3, downsample;
  bool downsamples = false;
  int stride = 1;

  bool in_place() const { return !downsamples; }
  bool Trains() const {
    return conv1.Trains() || conv2.Trains() || conv3.Trains() || (downsamples && downsample.Trains());
  }

  MapSize OutputSize(const MapSize& in) const { return conv3.OutputSize(Pooled(in, stride)); }

  BottleneckCache Allocate(Arena& arena, const MapSize& in) const {
    BottleneckCache cache;
    cache.conv1 = conv1.Allocate(arena, in);
    const MapSize inner = cache.conv1.out, last = Pooled(inner, stride);
    cache.reduced = arena.Allocate<float>(inner.NumElements());
    cache.conv2 = conv2.Allocate(arena, inner);
    cache.filtered = arena.Allocate<float>(inner.NumElements());
    cache.pooled = stride == 1 ? cache.filtered : arena.Allocate<float>(last.NumElements());
    cache.conv3 = conv3.Allocate(arena, last);
    if (!downsamples) return cache;
    const MapSize shortcut = Pooled(in, stride);
    if (stride > 1) cache.pooled_x = arena.Allocate<float>(shortcut.NumElements());
    cache.downsample = downsample.Allocate(arena, shortcut);
    return cache;
  }

  void Forward(Context& context, const BottleneckCache& cache, const float* x, nn::Statistics statistics, float* y) {
    conv1.Forward(context, cache.conv1, {.x = x, .statistics = statistics}, cache.reduced);
    conv2.Forward(context, cache.conv2, {.x = cache.reduced, .statistics = statistics}, cache.filtered);
    if (stride > 1) kernels::AveragePool(context, cache.filtered, ShapeOf(cache.conv2.out), stride, cache.pooled);
    const float* shortcut = x;
    if (downsamples) {
      if (stride > 1) kernels::AveragePool(context, x, ShapeOf(cache.conv1.in), stride, cache.pooled_x);
      const float* averaged = stride > 1 ? cache.pooled_x : x;
      downsample.Forward(context, cache.downsample, {.x = averaged, .statistics = statistics}, y);
      shortcut = y;
    }
    conv3.Forward(context, cache.conv3, {.x = cache.pooled, .residual = shortcut, .statistics = statistics}, y);
  }

  void Backward(Context& context, const BottleneckCache& cache, const nn::BlockMaps& maps) {
    Arena& arena = context.arena();
    const MapSize& inner = cache.conv2.out;
    // y = relu(conv3(pooled) + shortcut): maps.dy becomes the gradient of the shortcut
    float* dpooled = arena.Allocate<float>(cache.conv3.in.NumElements());
    conv3.Backward(context, cache.conv3,
                   {.x = cache.pooled, .y = maps.y, .dy = maps.dy, .residual = true, .dx = dpooled});
    // pooled = average(filtered)
    float* dfiltered = stride == 1 ? dpooled : arena.Allocate<float>(inner.NumElements());
    if (stride > 1) kernels::AveragePoolBackward(context, dpooled, ShapeOf(inner), stride, dfiltered);
    // filtered = conv2(reduced)
    float* dreduced = arena.Allocate<float>(inner.NumElements());
    conv2.Backward(context, cache.conv2, {.x = cache.reduced, .y = cache.filtered, .dy = dfiltered, .dx = dreduced});
    if (downsamples) ShortcutBackward(context, cache, maps);
    // reduced = conv1(x), added to what the shortcut gives: without a convolution that is maps.dy, where dx is
    conv1.Backward(
        context, cache.conv1,
        {.x = maps.x, .y = cache.reduced, .dy = dreduced, .dx = maps.dx, .mode = kernels::Gradient::kAccumulate});
  }

  // shortcut = downsample(average(x)); writes maps.dx.
  void ShortcutBackward(Context& context, const BottleneckCache& cache, const nn::BlockMaps& maps) {
    if (stride == 1) {
      return downsample.Backward(context, cache.downsample, {.x = maps.x, .dy = maps.dy, .dx = maps.dx});
    }
    const bool wanted = maps.dx != nullptr;
    float* daverage = wanted ? context.arena().Allocate<float>(cache.downsample.in.NumElements()) : nullptr;
    downsample.Backward(context, cache.downsample, {.x = cache.pooled_x, .dy = maps.dy, .dx = daverage});
    if (wanted) kernels::AveragePoolBackward(context, daverage, ShapeOf(cache.conv1.in), stride, maps.dx);
  }

  void Visit(const nn::ParamVisitor& visit, const std::string& prefix) {
    conv1.Visit(visit, prefix + "conv1.", prefix + "bn1.");
    conv2.Visit(visit, prefix + "conv2.", prefix + "bn2.");
    conv3.Visit(visit, prefix + "conv3.", prefix + "bn3.");
    if (downsamples) downsample.Visit(visit, prefix + "downsample.0.", prefix + "downsample.1.");
  }

  BottleneckPlan Prepare(Precision precision) const {
    BottleneckPlan plan{.conv1 = conv1.Prepare(precision),
                        .conv2 = conv2.Prepare(precision),
                        .conv3 = conv3.Prepare(precision),
                        .downsamples = downsamples,
                        .stride = stride};
    if (downsamples) plan.downsample = downsample.Prepare(precision);
    return plan;
  }
};

Bottleneck MakeBottleneck(const ResNetConfig& config, int in, int inner, int stride) {
  const int out = inner * kExpansion;
  Bottleneck block{.conv1 = Pointwise(config, in, inner, Activation::kRelu),
                   .conv2 = ThreeByThree(config, inner, inner),
                   .conv3 = Pointwise(config, inner, out, Activation::kRelu),
                   .downsamples = stride > 1 || in != out,
                   .stride = stride};
  if (block.downsamples) block.downsample = Pointwise(config, in, out, Activation::kNone);
  return block;
}

class ResNetPlan : public ImageTowerPlan {
 public:
  ImageTowerInfo info_;
  std::vector<ConvPlan> stem_;
  std::vector<BottleneckPlan> blocks_;
  nn::AttentionPoolPlan pool_;

  const ImageTowerInfo& info() const override { return info_; }

  void Forward(Context& context, const ImageInput& input, const ImageOutput& output) const override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    // Two buffers in turn hold the maps between blocks; the largest is that of the first stage.
    float* maps[2];
    for (float*& map : maps) map = arena.Allocate<float>(input.batch * largest_map_);
    int current = 0;
    MapSize size = Stem(context, input, maps[current]);
    for (size_t k = 0; k < blocks_.size(); ++k) {
      const int next = blocks_[k].downsamples ? 1 - current : current;
      blocks_[k].Forward(context, maps[current], size, maps[next]);
      size = blocks_[k].OutputSize(size);
      current = next;
      if (k < output.hidden.size() && output.hidden[k] != nullptr) {
        std::copy_n(maps[current], size.NumElements(), output.hidden[k]);
      }
    }
    if (output.tokens != nullptr) std::copy_n(maps[current], size.NumElements(), output.tokens);
    if (output.pooled != nullptr) pool_.Forward(context, maps[current], size.b, output.pooled);
  }

  // What depends on the shapes alone, once all layers stand.
  void Finish() {
    largest_map_ = *std::max_element(info_.hidden_size.begin(), info_.hidden_size.end());
    const int64_t side = info_.image_size;
    largest_map_ = std::max(largest_map_, side / 4 * (side / 4) * stem_.back().geometry.out_channels);
  }

 private:
  MapSize Stem(Context& context, const ImageInput& input, float* y) const {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    MapSize size{input.batch, info_.image_size, info_.image_size, 3};
    float* pixels = arena.Allocate<float>(size.NumElements());  // (B, S, S, 3)
    kernels::ChannelsLast(context, input.pixels, ShapeOf(size), pixels);
    const float* x = pixels;
    for (const ConvPlan& conv : stem_) {
      const MapSize out = conv.OutputSize(size);
      float* map = arena.Allocate<float>(out.NumElements());
      conv.Forward(context, x, size, nullptr, map);
      x = map;
      size = out;
    }
    kernels::AveragePool(context, x, ShapeOf(size), 2, y);
    return Pooled(size, 2);
  }

  int64_t largest_map_ = 0;  // floats for one picture
};

// Of one convolution over a square map; `side` becomes that of its output.
double Flops(const ConvNorm& conv, int& side) {
  const kernels::ConvGeometry& g = conv.geometry;
  side = g.OutSize(side, g.kernel_h);
  return 2.0 * side * side * g.out_channels * g.in_channels * g.kernel_h * g.kernel_w;
}

double Flops(const Bottleneck& block, int& side) {
  double flops = Flops(block.conv1, side) + Flops(block.conv2, side);
  side /= block.stride;
  flops += Flops(block.conv3, side);
  if (block.downsamples) flops += Flops(block.downsample, side);
  return flops;
}

struct StemCache {
  float* pixels = nullptr;  // (B, S, S, 3)
  std::array<nn::ConvNormCache, 3> convs;
  std::array<float*, 3> maps{};  // what came out of each
};

struct ResNetCache : nn::TowerCache {
  ImageInput input;
  StemCache stem;  // not kept where blocks are computed again
  nn::ConvStackCache<Bottleneck> stages;
  float* last = nullptr;  // what the attention pool pools
  nn::AttentionPoolCache pool;
};

class ResNet : public ImageTower {
 public:
  explicit ResNet(const ResNetConfig& config) {
    info_.image_size = config.image_size;
    info_.embed_dim = config.embed_dim;
    const int half = config.width / 2;
    stem_[0] = ThreeByThree(config, 3, half, 2);
    stem_[1] = ThreeByThree(config, half, half);
    stem_[2] = ThreeByThree(config, half, config.width);
    int side = config.image_size;
    for (const ConvNorm& conv : stem_) info_.flops += Flops(conv, side);
    side /= 2;
    int channels = config.width;
    for (size_t stage = 0; stage < config.layers.size(); ++stage) {
      std::vector<Bottleneck>& blocks = stages_.emplace_back();
      const int inner = config.width << stage;
      for (int i = 0; i < config.layers[stage]; ++i) {
        blocks.push_back(MakeBottleneck(config, channels, inner, i == 0 && stage > 0 ? 2 : 1));
        channels = inner * kExpansion;
        info_.flops += Flops(blocks.back(), side);
        info_.hidden_size.push_back(int64_t{side} * side * channels);
      }
    }
    CHECK(side > 0 && side == config.image_size / 32) << " image size " << config.image_size;
    info_.token_count = int64_t{side} * side;
    info_.token_width = channels;
    pool_ = nn::AttentionPool(
        {.pixels = info_.token_count, .width = channels, .heads = config.heads, .out = config.embed_dim});
    info_.flops += PoolFlops();
  }

  const ImageTowerInfo& info() const override { return info_; }

  /// The stem, the stages, the attention pool.
  int group_count() const override { return static_cast<int>(stages_.size()) + 2; }

  void VisitGroup(int group, const nn::ParamVisitor& visit) override {
    const std::string visual = "visual.";
    const int stages = static_cast<int>(stages_.size());
    if (group == 0) {
      for (size_t i = 0; i < stem_.size(); ++i) {
        const std::string number = std::to_string(i + 1) + ".";
        stem_[i].Visit(visit, visual + "conv" + number, visual + "bn" + number);
      }
    } else if (group <= stages) {
      std::vector<Bottleneck>& blocks = stages_[static_cast<size_t>(group - 1)];
      const std::string stage = visual + "layer" + std::to_string(group) + ".";
      for (size_t i = 0; i < blocks.size(); ++i) blocks[i].Visit(visit, stage + std::to_string(i) + ".");
    } else {
      pool_.Visit(visit, visual + "attnpool.");
    }
  }

  std::unique_ptr<ImageTowerPlan> Prepare(Precision precision) const override {
    auto plan = std::make_unique<ResNetPlan>();
    plan->info_ = info_;
    for (const ConvNorm& conv : stem_) plan->stem_.push_back(conv.Prepare(precision));
    for (const auto& stage : stages_) {
      for (const Bottleneck& block : stage) plan->blocks_.push_back(block.Prepare(precision));
    }
    plan->pool_ = pool_.Prepare(precision);
    plan->Finish();
    return plan;
  }

  std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions& options) const override {
    auto cache = std::make_unique<ResNetCache>();
    cache->stages.options = options;
    return cache;
  }

  void Forward(Context& context, const ImageInput& input, float* pooled, nn::TowerCache* cache) override {
    Arena& arena = context.arena();
    std::optional<Arena::Scope> scope;
    if (cache == nullptr) scope.emplace(arena);
    ResNetCache unkept;
    ResNetCache& pass = cache != nullptr ? nn::CacheAs<ResNetCache>(*cache) : unkept;
    pass.input = input;
    MapSize size = StemSize(input.batch);
    float* x = arena.Allocate<float>(size.NumElements());
    const nn::Statistics statistics = cache != nullptr ? nn::Statistics::kMove : nn::Statistics::kStay;
    if (cache != nullptr && !pass.stages.options.recompute) {
      pass.stem = AllocateStem(arena, input.batch);
      ForwardStem(context, pass.stem, input, statistics, x);
    } else {
      const Arena::Scope stem_scope(arena);
      ForwardStem(context, AllocateStem(arena, input.batch), input, statistics, x);
    }
    pass.last = nn::ForwardStages(context, stages_, x, size, cache != nullptr ? &pass.stages : nullptr);
    pass.pool = pool_.Allocate(arena, input.batch);
    pool_.Forward(context, pass.pool, pass.last, pooled);
  }

  void Backward(Context& context, const float* dpooled, nn::TowerCache& cache, const nn::GroupDone& done) override {
    Arena& arena = context.arena();
    const Arena::Scope scope(arena);
    const ResNetCache& pass = nn::CacheAs<ResNetCache>(cache);
    const bool stem_trains = StemTrains();
    int lowest = 0;
    while (!stem_trains && lowest < static_cast<int>(stages_.size()) && !nn::StageTrains(stages_[lowest])) ++lowest;
    const bool below_pool = lowest < static_cast<int>(stages_.size());
    // pooled = pool(last)
    float* dlast = below_pool ? arena.Allocate<float>(pass.stages.sizes.back().NumElements()) : nullptr;
    pool_.Backward(context, pass.pool, dpooled, dlast);
    if (done) done(group_count() - 1);
    // last = stages(stem(pixels))
    float* dx = nn::BackwardStages(context, stages_, pass.stages,
                                   {.dy = dlast, .dx_wanted = stem_trains, .lowest = lowest}, done);
    if (stem_trains) BackwardStem(context, pass, dx);
    if (done) done(0);
  }

 private:
  bool StemTrains() const {
    return std::any_of(stem_.begin(), stem_.end(), [](const ConvNorm& conv) { return conv.Trains(); });
  }

  MapSize PixelsSize(int64_t b) const { return {b, info_.image_size, info_.image_size, 3}; }

  MapSize StemSize(int64_t b) const {
    MapSize size = PixelsSize(b);
    for (const ConvNorm& conv : stem_) size = conv.OutputSize(size);
    return Pooled(size, 2);
  }

  StemCache AllocateStem(Arena& arena, int64_t b) const {
    MapSize size = PixelsSize(b);
    StemCache cache;
    cache.pixels = arena.Allocate<float>(size.NumElements());
    for (size_t i = 0; i < stem_.size(); ++i) {
      cache.convs[i] = stem_[i].Allocate(arena, size);
      size = cache.convs[i].out;
      cache.maps[i] = arena.Allocate<float>(size.NumElements());
    }
    return cache;
  }

  void ForwardStem(Context& context, const StemCache& cache, const ImageInput& input, nn::Statistics statistics,
                   float* y) {
    kernels::ChannelsLast(context, input.pixels, ShapeOf(cache.convs[0].in), cache.pixels);
    const float* x = cache.pixels;
    for (size_t i = 0; i < stem_.size(); ++i) {
      stem_[i].Forward(context, cache.convs[i], {.x = x, .statistics = statistics}, cache.maps[i]);
      x = cache.maps[i];
    }
    kernels::AveragePool(context, x, ShapeOf(cache.convs.back().out), 2, y);
  }

  void BackwardStem(Context& context, const ResNetCache& pass, const float* dy) {
    Arena& arena = context.arena();
    StemCache cache = pass.stem;
    if (pass.stages.options.recompute) {
      cache = AllocateStem(arena, pass.input.batch);
      ForwardStem(context, cache, pass.input, nn::Statistics::kStay, pass.stages.maps[0]);
    }
    // y = average(conv3(conv2(conv1(pixels))))
    float* dmap = arena.Allocate<float>(cache.convs.back().out.NumElements());
    kernels::AveragePoolBackward(context, dy, ShapeOf(cache.convs.back().out), 2, dmap);
    for (size_t i = stem_.size(); i-- > 0;) {
      float* dx = i > 0 ? arena.Allocate<float>(cache.convs[i].in.NumElements()) : nullptr;
      stem_[i].Backward(context, cache.convs[i],
                        {.x = i > 0 ? cache.maps[i - 1] : cache.pixels, .y = cache.maps[i], .dy = dmap, .dx = dx});
      dmap = dx;
    }
  }

  double PoolFlops() const {
    const double t = static_cast<double>(info_.token_count + 1), d = static_cast<double>(info_.token_width);
    return 2 * (2 * t * d * d + d * d + 2 * t * d + d * info_.embed_dim);
  }

  ImageTowerInfo info_;
  std::array<ConvNorm, 3> stem_;
  nn::ConvStages<Bottleneck> stages_;
  nn::AttentionPool pool_;
};

}  // namespace

std::unique_ptr<ImageTower> MakeResNet(const ResNetConfig& config) {
  return std::make_unique<ResNet>(config);
}

}  // namespace diptych
