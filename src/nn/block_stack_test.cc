#include "nn/block_stack.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "support/allocation_counter.h"

namespace diptych::nn {
namespace {

TEST(BlockStack, AllocatesNothingInTheSteadyState) {
  std::vector<Block> blocks;
  for (int i = 0; i < 3; ++i) blocks.emplace_back(BlockConfig{.width = 8, .mlp_width = 16, .heads = 2});
  for (Block& block : blocks) {
    block.Visit(
        [](const std::string&, Param& param) {
          auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
          param.Bind({{tensor->view(), tensor}});
          param.Train();
        },
        "");
  }
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

}  // namespace
}  // namespace diptych::nn
