// In the steady state no kernel allocates.
#include <gtest/gtest.h>

#include <numeric>

#include "kernels/attention/attention.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/conv_training.h"
#include "kernels/norms/batch_norm.h"
#include "kernels/norms/norm.h"
#include "kernels/pool.h"
#include "kernels/products/library_matmul.h"
#include "kernels/products/matmul.h"
#include "kernels/softmax.h"
#include "kernels/test_util.h"
#include "kernels/token_merging.h"
#include "support/allocation_counter.h"

namespace diptych::kernels {
namespace {

using testing_support::AllocationsOf;

class Allocation : public testing::TestWithParam<int> {
 protected:
  Context context_{GetParam()};
};

TEST_P(Allocation, TheCounterCounts) {
  EXPECT_EQ(AllocationsOf(context_, [] { delete new volatile int; }), 1);
}

TEST_P(Allocation, Linear) {
  const std::vector<float> w = Random(96 * 64, 1), x = Random(300 * 64, 2), bias = Random(96, 3);
  std::vector<float> y(300 * 96);
  for (const Precision precision : kPrecisions) {
    const PackedWeight packed = PackLinear(View(w, {96, 64}), WeightOrder::kOutIn, precision);
    for (const int64_t m : {1, 50, 300}) {
      const auto run = [&] {
        Linear(context_, x.data(), m, packed, {bias.data(), y.data(), Activation::kGelu}, y.data());
      };
      EXPECT_EQ(AllocationsOf(context_, run), 0) << NameOf(precision) << " " << m;
    }
  }
}

TEST_P(Allocation, Conv) {
  const ConvGeometry pointwise{.in_channels = 16, .out_channels = 24};
  const ConvGeometry depthwise{
      .in_channels = 16, .out_channels = 16, .kernel_h = 3, .kernel_w = 3, .groups = 16, .pad = 1};
  const ConvGeometry dense{.in_channels = 16, .out_channels = 24, .kernel_h = 3, .kernel_w = 3, .stride = 2};
  const std::vector<float> x = Random(2 * 9 * 9 * 16, 1), w = Random(24 * 16 * 9, 2), bias = Random(24, 3);
  std::vector<float> y(2 * 9 * 9 * 24);
  for (const ConvGeometry& g : {pointwise, depthwise, dense}) {
    const Shape shape{g.out_channels, g.in_channels / g.groups, g.kernel_h, g.kernel_w};
    const PackedWeight packed = PackConv(TensorView(w.data(), DType::kF32, shape), g);
    const auto run = [&] {
      Conv(context_, x.data(), 2, 9, 9, packed, {.bias = bias.data(), .activation = Activation::kRelu6}, y.data());
    };
    EXPECT_EQ(AllocationsOf(context_, run), 0) << "kernel " << g.kernel_h << " groups " << g.groups;
  }
}

TEST_P(Allocation, ConvTraining) {
  const ConvGeometry pointwise{.in_channels = 16, .out_channels = 24};
  const ConvGeometry depthwise{
      .in_channels = 16, .out_channels = 16, .kernel_h = 3, .kernel_w = 3, .groups = 16, .pad = 1};
  const ConvGeometry dense{.in_channels = 16, .out_channels = 24, .kernel_h = 3, .kernel_w = 3, .stride = 2};
  const ConvGeometry wide{.in_channels = 16, .out_channels = 64, .kernel_h = 3, .kernel_w = 3, .stride = 2};
  std::vector<float> x = Random(2 * 9 * 9 * 24, 1), w = Random(64 * 16 * 9, 2), y(2 * 9 * 9 * 64), statistics(48);
  for (const ConvGeometry& g : {pointwise, depthwise, dense, wide}) {
    const ConvShape shape{.geometry = g, .b = 2, .h = 9, .w = 9};
    const BatchNormArgs norm{.x = x.data(),
                             .m = 162,
                             .c = 16,
                             .params = {w.data(), w.data(), 1e-5f},
                             .statistics = {statistics.data(), statistics.data() + 24}};
    const auto run = [&] {
      TrainingConv(context_, shape, x.data(), w.data(), y.data());
      ConvBackwardWeights(context_, shape, x.data(), y.data(), w.data());
      ConvBackwardData(context_, shape, y.data(), w.data(), x.data(), Gradient::kAccumulate);
      BatchNorm(context_, norm, nullptr, y.data());
      BatchNormBackward(context_, norm, y.data(), y.data(), y.data(), {});
    };
    EXPECT_EQ(AllocationsOf(context_, run), 0) << "kernel " << g.kernel_h << " groups " << g.groups;
  }
}

TEST_P(Allocation, TokenMerging) {
  std::vector<float> x = Random(3 * 50 * 16, 1), metric = Random(3 * 50 * 8, 2), sizes(3 * 50, 1.0f);
  std::vector<float> y(3 * 42 * 16), y_sizes(3 * 42);
  const auto run = [&] {
    MergeTokens(context_, {3, 50, 16, x.data(), sizes.data()}, metric.data(), 8, 8,
                {3, 42, 16, y.data(), y_sizes.data()});
  };
  EXPECT_EQ(AllocationsOf(context_, run), 0);
}

TEST_P(Allocation, Attention) {
  const std::vector<int32_t> lengths{50, 7, 1};
  const std::vector<float> rows = Random(58 * 3 * 96, 1);
  std::vector<float> y(58 * 96);
  const AttentionInput input{.q = rows.data(),
                             .k = rows.data() + 96,
                             .v = rows.data() + 192,
                             .q_stride = 288,
                             .kv_stride = 288,
                             .lengths = lengths};
  const AttentionShape shape{.heads = 3, .head_dim = 32, .causal = true, .scale = 0.2f};
  EXPECT_EQ(AllocationsOf(context_, [&] { Attention(context_, input, shape, y.data()); }), 0);
}

TEST_P(Allocation, MatMul) {
  const std::vector<float> a = Random(300 * 100, 1), b = Random(100 * 70, 2), bias = Random(70, 3);
  std::vector<float> c = Random(300 * 70, 4);
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    Context context(GetParam(), Mode::kTraining, precision);
    for (int bits = 0; bits < 8; ++bits) {
      MatMulArgs args{.m = 300, .n = 70, .k = 100, .a = a.data(), .b = b.data(), .c = c.data(), .bias = bias.data()};
      args.transpose_a = (bits & 1) != 0;
      args.transpose_b = (bits & 2) != 0;
      args.accumulate = (bits & 4) != 0;
      EXPECT_EQ(AllocationsOf(context, [&] { MatMul(context, args); }), 0) << bits;
      EXPECT_EQ(AllocationsOf(context, [&] { LibraryMatMul(context, args, Precision::kF32); }), 0) << bits;
    }
  }
}

TEST_P(Allocation, BackwardPasses) {
  const std::vector<int32_t> lengths{50, 7, 1}, ids{3, 1, 4};
  const std::vector<float> x = Random(58 * 96, 1), dy = Random(58 * 96, 2), gamma = Random(96, 3);
  std::vector<float> y(58 * 96), dx(58 * 96), statistics(2 * 58), sums(2 * 96), rows(58 * 3 * 96);
  const AttentionInput input{.q = rows.data(),
                             .k = rows.data() + 96,
                             .v = rows.data() + 192,
                             .q_stride = 288,
                             .kv_stride = 288,
                             .lengths = lengths};
  const LayerNormBackwardArgs norm{.x = x.data(),
                                   .dy = dy.data(),
                                   .m = 58,
                                   .d = 96,
                                   .params = {gamma.data(), gamma.data(), 1e-5f},
                                   .statistics = {statistics.data(), statistics.data() + 58}};
  std::vector<float> gradients(rows.size());
  const auto run = [&] {
    LayerNorm(context_, x.data(), 58, 96, norm.params, y.data(), norm.statistics);
    LayerNormBackward(context_, norm, dx.data(), {sums.data(), sums.data() + 96});
    Activate(context_, Activation::kGelu, x.data(), 58 * 96, y.data());
    ActivateBackward(context_, Activation::kGelu, x.data(), dy.data(), 58 * 96, dx.data());
    AttentionBackward(context_, input, {.heads = 3, .head_dim = 32, .scale = 0.2f}, y.data(), dy.data(),
                      {gradients.data(), gradients.data() + 96, gradients.data() + 192});
    AddColumnSums(context_, dy.data(), 58, 96, sums.data());
    L2Normalize(x.data(), 58, 96, y.data(), statistics.data());
    L2NormalizeBackward(y.data(), statistics.data(), dy.data(), 58, 96, dx.data());
    ScatterAddRows(ids, dy.data(), 96, dx.data());
    MeanPoolBackward(dy.data(), lengths, 96, dx.data());
  };
  EXPECT_EQ(AllocationsOf(context_, run), 0);
}

TEST_P(Allocation, EverythingElse) {
  const std::vector<float> gamma = Random(64, 1), beta = Random(64, 2);
  const std::vector<int32_t> lengths{10, 90}, ids{3, 1, 4};
  std::vector<float> x = Random(6400, 3), y(6400);
  const auto run = [&] {
    LayerNorm(context_, x.data(), 100, 64, {gamma.data(), beta.data(), 1e-5f}, y.data());
    Activate(context_, Activation::kQuickGelu, y.data(), 6400);
    L2Normalize(y.data(), 100, 64);
    Softmax(y.data(), 100, 64);
    MeanPool(context_, x.data(), lengths, 64, y.data());
    GlobalAveragePool(context_, x.data(), 2, 50, 64, y.data());
    AveragePool(context_, x.data(), {1, 10, 10, 64}, 2, y.data());
    GatherRows(View(x, {100, 64}), ids, y.data());
    ChannelsLast(context_, x.data(), {1, 10, 10, 64}, y.data());
    ExtractPatches(context_, x.data(), 1, 64, 10, 5, y.data());
  };
  EXPECT_EQ(AllocationsOf(context_, run), 0);
}

INSTANTIATE_TEST_SUITE_P(Threads, Allocation, testing::Values(1, 2));

}  // namespace
}  // namespace diptych::kernels
