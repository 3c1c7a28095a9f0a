#include "image/resnet.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pool.h"
#include "nn/attention_pool.h"
#include "nn/conv_norm.h"

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

// x averaged over windows of the stride, in the arena; x itself with stride 1.
const float* Pool(Context& context, const float* x, const MapSize& size, int stride) {
  if (stride == 1) return x;
  float* y = context.arena().Allocate<float>(Pooled(size, stride).NumElements());
  kernels::AveragePool(context, x, {size.b, size.h, size.w, size.c}, stride, y);
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

struct Bottleneck {
  ConvNorm conv1, conv2, conv3, downsample;
  bool downsamples = false;
  int stride = 1;

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
    kernels::ChannelsLast(context, input.pixels, {size.b, size.h, size.w, size.c}, pixels);
    const float* x = pixels;
    for (const ConvPlan& conv : stem_) {
      const MapSize out = conv.OutputSize(size);
      float* map = arena.Allocate<float>(out.NumElements());
      conv.Forward(context, x, size, nullptr, map);
      x = map;
      size = out;
    }
    kernels::AveragePool(context, x, {size.b, size.h, size.w, size.c}, 2, y);
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

 private:
  double PoolFlops() const {
    const double t = static_cast<double>(info_.token_count + 1), d = static_cast<double>(info_.token_width);
    return 2 * (2 * t * d * d + d * d + 2 * t * d + d * info_.embed_dim);
  }

  ImageTowerInfo info_;
  std::array<ConvNorm, 3> stem_;
  std::vector<std::vector<Bottleneck>> stages_;
  nn::AttentionPool pool_;
};

}  // namespace

std::unique_ptr<ImageTower> MakeResNet(const ResNetConfig& config) {
  return std::make_unique<ResNet>(config);
}

}  // namespace diptych
