#include "kernels/pool.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/half.h"
#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

std::vector<float> Counting(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

TEST(Pool, MeansOfMapsAndSequences) {
  const std::vector<float> x = Counting(12);  // rows of 2: means are those of the rows' numbers
  std::vector<float> y(4);
  Context context(2);
  GlobalAveragePool(context, x.data(), 2, 3, 2, y.data());
  EXPECT_EQ(y, (std::vector<float>{2, 3, 8, 9}));
  const std::vector<int32_t> lengths{1, 5};
  MeanPool(context, x.data(), lengths, 2, y.data());
  EXPECT_EQ(y, (std::vector<float>{0, 1, 6, 7}));
}

TEST(Pool, AveragePoolDropsTheRest) {
  const MapShape shape{.b = 2, .h = 5, .w = 3, .c = 2};
  const std::vector<float> x = Counting(60);
  std::vector<float> y(2 * 2 * 1 * 2);
  Context context;
  AveragePool(context, x.data(), shape, 2, y.data());
  // Values at (row, column, channel) are 6 row + 2 column + channel; a window's mean is its centre.
  EXPECT_EQ(y, (std::vector<float>{4, 5, 16, 17, 34, 35, 46, 47}));
}

TEST(Pool, AveragePoolBackward) {
  for (const int k : {1, 2, 3}) {
    const MapShape shape{.b = 2, .h = 7, .w = 8, .c = 5};
    const std::vector<float> dy = Random(2 * (7 / k) * (8 / k) * 5, 1);
    std::vector<float> dx(2 * 7 * 8 * 5, -1.0f), expected(dx.size());
    reference::AveragePoolBackward(dy.data(), shape, k, expected.data());
    for (const int threads : {1, 2}) {
      Context context(threads);
      AveragePoolBackward(context, dy.data(), shape, k, dx.data());
      EXPECT_LT(MaxDifference(expected, dx), 1e-7) << k;
    }
    // The pass is linear, and this is its transpose: <dy, pool(x)> = <dx, x>.
    const std::vector<float> x = Random(static_cast<int64_t>(dx.size()), 2);
    std::vector<float> y(dy.size());
    Context context;
    AveragePool(context, x.data(), shape, k, y.data());
    EXPECT_NEAR(std::inner_product(dy.begin(), dy.end(), y.begin(), 0.0),
                std::inner_product(dx.begin(), dx.end(), x.begin(), 0.0), 1e-4);
  }
}

TEST(Pool, GlobalAveragePoolBackward) {
  const std::vector<float> dy{3, 6, 9, 12};
  std::vector<float> dx(12);
  Context context(2);
  GlobalAveragePoolBackward(context, dy.data(), 2, 3, 2, dx.data());
  EXPECT_EQ(dx, (std::vector<float>{1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}));
}

TEST(Pool, GatherRows) {
  const std::vector<float> table = Counting(15);
  std::vector<uint16_t> halves;
  for (const float value : table) halves.push_back(FloatToHalf(value));
  const std::vector<int32_t> ids{4, 0, 4};
  const std::vector<float> expected{12, 13, 14, 0, 1, 2, 12, 13, 14};
  std::vector<float> y(9);
  GatherRows(View(table, {5, 3}), ids, y.data());
  EXPECT_EQ(y, expected);
  std::fill(y.begin(), y.end(), -1.0f);
  GatherRows(TensorView(halves.data(), DType::kF16, {5, 3}), ids, y.data());
  EXPECT_EQ(y, expected);
  const std::vector<int32_t> outside{5};
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(GatherRows(View(table, {5, 3}), outside, y.data()), "id 5 of a table of shape \\(5, 3\\)");
}

TEST(Pool, Add) {
  std::vector<float> y = Counting(11);
  Add(y.data(), 11, y.data());
  for (int i = 0; i < 11; ++i) EXPECT_EQ(y[i], 2.0f * i);
}

TEST(Pool, ChannelsLast) {
  const MapShape shape{.b = 2, .h = 3, .w = 5, .c = 4};
  const std::vector<float> x = Counting(120);
  std::vector<float> y(120);
  Context context(2);
  ChannelsLast(context, x.data(), shape, y.data());
  for (int i = 0; i < 120; ++i) {
    const int b = i / 60, pixel = i / 4 % 15, c = i % 4;
    EXPECT_EQ(y[i], b * 60 + c * 15 + pixel);
  }
}

TEST(Pool, ExtractPatches) {
  const int s = 7, p = 3, c = 2, g = 2;  // the last row and column belong to no patch
  const std::vector<float> x = Counting(2 * c * s * s);
  std::vector<float> y(2 * g * g * c * p * p);
  Context context(2);
  ExtractPatches(context, x.data(), 2, c, s, p, y.data());
  for (int i = 0; i < static_cast<int>(y.size()); ++i) {
    const int column = i % p, row = i / p % p, channel = i / 9 % c, patch = i / 18 % 4, b = i / 72;
    EXPECT_EQ(y[i], ((b * c + channel) * s + patch / g * p + row) * s + patch % g * p + column);
  }
}

TEST(Pool, GatheredRowsAreAddedBackInOrder) {
  const std::vector<int32_t> ids{2, 0, 2};
  const std::vector<float> dy{1, 2, 3, 4, 5, 6};
  std::vector<float> dtable{10, 10, 20, 20, 30, 30};
  ScatterAddRows(ids, dy.data(), 2, dtable.data());
  EXPECT_EQ(dtable, (std::vector<float>{13, 14, 20, 20, 36, 38}));
  ScatterAddRows({}, nullptr, 2, dtable.data());
  // <dy, gather(table)> = <scatter(dy), table> for any table: the one is the other's transpose.
  const std::vector<float> table = Counting(6);
  std::vector<float> y(6), gradient(6);
  GatherRows(View(table, {3, 2}), ids, y.data());
  ScatterAddRows(ids, dy.data(), 2, gradient.data());
  EXPECT_EQ(std::inner_product(dy.begin(), dy.end(), y.begin(), 0.0f),
            std::inner_product(gradient.begin(), gradient.end(), table.begin(), 0.0f));
}

TEST(Pool, MeanPoolBackwardIsItsTranspose) {
  const std::vector<int32_t> lengths{4, 1, 7};
  const std::vector<float> x = Random(12 * 5, 1), dy = Random(3 * 5, 2);
  std::vector<float> y(dy.size()), dx(x.size());
  Context context(2);
  MeanPool(context, x.data(), lengths, 5, y.data());
  MeanPoolBackward(dy.data(), lengths, 5, dx.data());
  EXPECT_NEAR(std::inner_product(dy.begin(), dy.end(), y.begin(), 0.0),
              std::inner_product(dx.begin(), dx.end(), x.begin(), 0.0), 1e-5);
  EXPECT_EQ(dx[0], dy[0] / 4.0f);
  EXPECT_EQ(dx[4 * 5], dy[5]);
  MeanPoolBackward(nullptr, {}, 5, nullptr);
}

}  // namespace
}  // namespace diptych::kernels
