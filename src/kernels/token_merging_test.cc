#include "kernels/token_merging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/half.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

struct Sequence {
  std::vector<std::vector<double>> x;
  std::vector<double> sizes;
};

double Cosine(const float* a, const float* b, int64_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < n; ++i) ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  return ab / std::sqrt(aa * bb);
}

// One sequence as the paper describes it: all edges from even to odd positions, the best of each, of these the best.
Sequence NaiveMerge(const TokenRows& in, const float* metric, int64_t metric_width, int64_t count) {
  struct Edge {
    double cosine;
    int64_t from, to;
  };
  std::vector<Edge> edges;
  for (int64_t i = 2; i < in.tokens; i += 2) {
    Edge best{-2, i, 1};
    for (int64_t j = 1; j < in.tokens; j += 2) {
      const double cosine = Cosine(metric + i * metric_width, metric + j * metric_width, metric_width);
      if (cosine > best.cosine) best = {cosine, i, j};
    }
    edges.push_back(best);
  }
  std::stable_sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.cosine > b.cosine; });
  edges.resize(static_cast<size_t>(count));
  Sequence all, left;
  for (int64_t i = 0; i < in.tokens; ++i) {
    all.x.emplace_back(in.x + i * in.width, in.x + (i + 1) * in.width);
    for (double& value : all.x.back()) value *= in.sizes[i];
    all.sizes.push_back(in.sizes[i]);
  }
  std::vector<bool> gone(static_cast<size_t>(in.tokens));
  for (const Edge& edge : edges) {
    const auto from = static_cast<size_t>(edge.from), to = static_cast<size_t>(edge.to);
    for (size_t k = 0; k < all.x[to].size(); ++k) all.x[to][k] += all.x[from][k];
    all.sizes[to] += all.sizes[from];
    gone[from] = true;
  }
  for (const size_t parity : {0, 1}) {
    for (size_t i = parity; i < all.x.size(); i += 2) {
      if (gone[i]) continue;
      for (double& value : all.x[i]) value /= all.sizes[i];
      left.x.push_back(all.x[i]);
      left.sizes.push_back(all.sizes[i]);
    }
  }
  return left;
}

TEST(TokenMerging, AsAllEdgesInTurn) {
  constexpr int64_t kBatch = 3, kWidth = 13, kMetric = 8;
  for (const int64_t tokens : {1, 2, 3, 4, 5, 16, 17, 50, 257, 300}) {
    for (const int64_t wanted : {0, 1, 2, 7, 128, 1000}) {
      const int64_t count = MergeableTokens(tokens, wanted), left = tokens - count;
      EXPECT_EQ(count, std::min(wanted, (tokens - 1) / 2));
      std::vector<float> x = Random(kBatch * tokens * kWidth, 1), metric = Random(kBatch * tokens * kMetric, 2);
      std::vector<float> sizes = Random(kBatch * tokens, 3);
      for (float& size : sizes) size = std::floor(1 + 3 * std::abs(size));
      std::vector<float> y(static_cast<size_t>(kBatch * left * kWidth)), y_sizes(static_cast<size_t>(kBatch * left));
      const TokenRows in{kBatch, tokens, kWidth, x.data(), sizes.data()};
      for (const int threads : {1, 2}) {
        Context context(threads);
        MergeTokens(context, in, metric.data(), kMetric, count, {kBatch, left, kWidth, y.data(), y_sizes.data()});
        for (int64_t b = 0; b < kBatch; ++b) {
          const TokenRows one{1, tokens, kWidth, x.data() + b * tokens * kWidth, sizes.data() + b * tokens};
          const Sequence expected = NaiveMerge(one, metric.data() + b * tokens * kMetric, kMetric, count);
          ASSERT_EQ(static_cast<int64_t>(expected.x.size()), left);
          for (int64_t i = 0; i < left; ++i) {
            EXPECT_EQ(y_sizes[static_cast<size_t>(b * left + i)], expected.sizes[static_cast<size_t>(i)]);
            for (int64_t k = 0; k < kWidth; ++k) {
              ASSERT_NEAR(y[static_cast<size_t>((b * left + i) * kWidth + k)],
                          expected.x[static_cast<size_t>(i)][static_cast<size_t>(k)], 2e-6)
                  << tokens << " " << count << ": " << b << ", " << i << ", " << k;
            }
          }
        }
      }
    }
  }
}

TEST(TokenMerging, TheClassTokenStays) {
  // All tokens are alike, but the class token has the highest cosine of all: with the token at position 1.
  const std::vector<float> metric = {1, 0, 1, 0, 0.9f, 0.1f, 0, 1, 0.1f, 0.9f};
  std::vector<float> x = {1, 2, 3, 4, 5}, sizes(5, 1.0f), y(3), y_sizes(3);
  Context context(1);
  MergeTokens(context, {1, 5, 1, x.data(), sizes.data()}, metric.data(), 2, 2, {1, 3, 1, y.data(), y_sizes.data()});
  EXPECT_EQ(y, (std::vector<float>{1, 2.5f, 4.5f}));
  EXPECT_EQ(y_sizes, (std::vector<float>{1, 2, 2}));
}

TEST(TokenMerging, MetricsThatAreNoNumbers) {
  std::vector<float> metric(9 * 4, std::numeric_limits<float>::quiet_NaN()), x = Random(9 * 3, 1), sizes(9, 1.0f);
  std::vector<float> y(5 * 3), y_sizes(5);
  Context context(1);
  MergeTokens(context, {1, 9, 3, x.data(), sizes.data()}, metric.data(), 4, 4, {1, 5, 3, y.data(), y_sizes.data()});
  EXPECT_EQ(y_sizes, (std::vector<float>{1, 5, 1, 1, 1}));
}

TEST(TokenMerging, MeansOverHeadsAndPatches) {
  std::vector<float> rows = {1, 2, 3, 4, 99, 5, 6, 7, 8, 99};  // two rows of two heads of two, and a column beyond
  std::vector<uint16_t> brains;
  for (const float value : rows) brains.push_back(FloatToBFloat16(value));
  std::vector<float> y(4);
  MeanOverHeads(rows.data(), 2, {.stride = 5, .heads = 2, .head_dim = 2}, y.data());
  EXPECT_EQ(y, (std::vector<float>{2, 3, 6, 7}));
  std::fill(y.begin(), y.end(), 0.0f);
  MeanOverHeads(brains.data(), 2, {.stride = 5, .heads = 2, .head_dim = 2}, y.data());
  EXPECT_EQ(y, (std::vector<float>{2, 3, 6, 7}));

  std::vector<float> x = {100, 1, 4, 200, 2, 6}, sizes = {1, 1, 2, 1, 3, 1}, means(2);
  WeightedPatchMean({2, 3, 1, x.data(), sizes.data()}, means.data());
  EXPECT_EQ(means, (std::vector<float>{3, 3}));
}

}  // namespace
}  // namespace diptych::kernels
