// In the steady state a training step of an image tower allocates nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "image/tower.h"
#include "support/allocation_counter.h"

namespace diptych {
namespace {

using testing_support::AllocationsOf;

struct Case {
  const char* name;
  ImageTowerConfig config;
};

EfficientNetConfig SmallEfficientNet() {
  EfficientNetConfig config{.image_size = 32, .embed_dim = 12, .stem_channels = 8, .head_channels = 24};
  config.stages = {{2, 3, 1, 1, 8}, {2, 5, 2, 3, 12}};
  return config;
}

class TrainingAllocation : public testing::TestWithParam<Case> {};

TEST_P(TrainingAllocation, NoneInTheSteadyState) {
  const std::unique_ptr<ImageTower> tower = MakeImageTower(GetParam().config);
  tower->Visit([](const std::string&, nn::Param& param) {
    auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
    std::fill_n(tensor->mutable_data<float>(), param.shape().NumElements(), 0.1f);
    param.Bind({{tensor->view(), tensor}});
    param.MutableValue();
    if (param.role() == nn::Param::Role::kWeight) param.Train();
  });
  const int64_t b = 2, side = tower->info().image_size;
  const std::vector<float> pixels(static_cast<size_t>(b * 3 * side * side), 0.5f), dpooled(b * 12, 1.0f);
  std::vector<float> pooled(dpooled.size());
  for (const int threads : {1, 2}) {
    for (const bool recompute : {false, true}) {
      Context context(threads, Mode::kTraining);
      const std::unique_ptr<nn::TowerCache> cache = tower->MakeCache({.recompute = recompute});
      const auto step = [&] {
        const Arena::Scope scope(context.arena());
        tower->Forward(context, {.pixels = pixels.data(), .batch = b}, pooled.data(), cache.get());
        tower->Backward(context, dpooled.data(), *cache, {});
      };
      EXPECT_EQ(AllocationsOf(context, step), 0) << "threads " << threads << ", recompute " << recompute;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Towers, TrainingAllocation,
    testing::Values(
        Case{"vit", VitConfig{.image_size = 16,
                              .patch_size = 8,
                              .width = 16,
                              .layers = 2,
                              .heads = 2,
                              .mlp_width = 32,
                              .embed_dim = 12}},
        Case{"resnet", ResNetConfig{.image_size = 32, .embed_dim = 12, .layers = {1, 2, 1, 1}, .width = 4, .heads = 2}},
        Case{"efficientnet", SmallEfficientNet()}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace diptych
