#include "nn/block_stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "support/allocation_counter.h"

namespace diptych::nn {
namespace {

std::vector<Block> MakeBlocks() {
  std::vector<Block> blocks;
  for (int i = 0; i < 3; ++i) blocks.emplace_back(BlockConfig{.width = 8, .mlp_width = 16, .heads = 2});
  for (Block& block : blocks) {
    block.Visit(
        [](const std::string&, Param& param) {
          auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
          for (int64_t k = 0; k < param.shape().NumElements(); ++k) tensor->mutable_data<float>()[k] = 0.1f * (k % 7);
          param.Bind({{tensor->view(), tensor}});
          param.Train();
        },
        "");
  }
  return blocks;
}

TEST(BlockStack, AllocatesNothingInTheSteadyState) {
  std::vector<Block> blocks = MakeBlocks();
  const std::vector<int32_t> lengths{3, 2};
  const std::vector<int64_t> pooled{0, 3};
  const PassRows rows{.lengths = lengths, .pooled = pooled, .count = 5};
  std::vector<float> dy(2 * 8), dx(5 * 8);
  for (const bool recompute : {false, true}) {
    Context context(2, Mode::kTraining);
    BlockStackCache cache{.options = {.recompute = recompute}};
    const auto step = [&] {
      const Arena::Scope scope(context.arena());
      float* x = context.arena().Allocate<float>(5 * 8);
      std::fill_n(x, 5 * 8, 1.0f);
      ForwardBlocks(context, blocks, rows, x, &cache);
      BackwardBlocks(context, blocks, cache, {.dy = dy.data(), .dx = dx.data(), .dx_wanted = true}, {});
    };
    EXPECT_EQ(testing_support::AllocationsOf(context, step), 0);
  }
}

TEST(BlockStack, StopsAboveTheLowestBlockThatTrains) {
  std::vector<Block> blocks = MakeBlocks();
  const auto freeze = [](const std::string&, Param& param) { param.Freeze(); };
  blocks[0].Visit(freeze, "");
  blocks[1].Visit(freeze, "");
  EXPECT_TRUE(AnyTrains(blocks));
  const std::vector<int32_t> lengths{3, 2};
  const std::vector<float> dy(5 * 8, 1.0f);
  std::vector<float> dx(5 * 8, 7.0f);
  Context context(1, Mode::kTraining);
  const Arena::Scope scope(context.arena());
  float* x = context.arena().Allocate<float>(5 * 8);
  for (int i = 0; i < 5 * 8; ++i) x[i] = static_cast<float>(i % 5);
  BlockStackCache cache;
  ForwardBlocks(context, blocks, {.lengths = lengths, .count = 5}, x, &cache);
  for (const size_t frozen : {0, 1}) {  // must not be looked at
    cache.x[frozen] = nullptr;
    cache.blocks[frozen] = {};
  }
  std::vector<int> done;
  BackwardBlocks(context, blocks, cache, {.dy = dy.data(), .dx = dx.data()}, [&](int group) { done.push_back(group); });
  EXPECT_EQ(done, (std::vector<int>{3, 2, 1}));
  EXPECT_EQ(dx, std::vector<float>(5 * 8, 7.0f));
  EXPECT_NE(blocks[2].norm1.beta.grad()[0], 0.0f);
}

}  // namespace
}  // namespace diptych::nn
