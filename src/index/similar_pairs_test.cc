#include "index/similar_pairs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "core/half.h"

namespace diptych {
namespace {

constexpr int64_t kE = 32;

// Random unit vectors, each tenth of them a near copy of the one before it.
std::vector<uint16_t> Vectors(int64_t n, float noise) {
  std::mt19937 engine(3);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> halves;
  std::vector<float> x(static_cast<size_t>(kE)), y;
  for (int64_t i = 0; i < n; ++i) {
    if (i % 10 != 9) {
      for (float& v : x) v = normal(engine);
    } else {
      for (float& v : x) v += noise * normal(engine);
    }
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
    for (const float v : x) halves.push_back(FloatToHalf(v / static_cast<float>(std::sqrt(squares))));
  }
  return halves;
}

HalfRows RowsOf(const std::vector<uint16_t>& halves) {
  HalfRows rows{.e = kE};
  for (size_t i = 0; i < halves.size(); i += kE) rows.rows.push_back(halves.data() + i);
  return rows;
}

bool All(uint32_t, uint32_t, float) {
  return true;
}

std::set<std::pair<uint32_t, uint32_t>> Naive(const HalfRows& rows, float cosine) {
  std::set<std::pair<uint32_t, uint32_t>> pairs;
  for (uint32_t a = 0; a < rows.n(); ++a) {
    for (uint32_t b = a + 1; b < rows.n(); ++b) {
      double dot = 0;
      for (int64_t i = 0; i < kE; ++i) {
        dot += static_cast<double>(HalfToFloat(rows.rows[a][i])) * static_cast<double>(HalfToFloat(rows.rows[b][i]));
      }
      if (dot >= static_cast<double>(cosine)) pairs.emplace(a, b);
    }
  }
  return pairs;
}

std::set<std::pair<uint32_t, uint32_t>> SetOf(const SimilarPairs& found) {
  std::set<std::pair<uint32_t, uint32_t>> pairs;
  for (const SimilarPair& pair : found.pairs) {
    EXPECT_LT(pair.a, pair.b);
    EXPECT_TRUE(pairs.emplace(pair.a, pair.b).second);
  }
  return pairs;
}

TEST(SimilarPairs, OneClusterFindsAll) {
  const std::vector<uint16_t> halves = Vectors(700, 0.1f);
  const HalfRows rows = RowsOf(halves);
  Context context(2);
  const auto found = FindSimilarPairs(context, rows, {.cosine = 0.9f, .clusters = 1}, All);
  EXPECT_GE(found.pairs.size(), 60u);
  EXPECT_EQ(SetOf(found), Naive(rows, 0.9f));
}

TEST(SimilarPairs, ClustersFindNearlyAllAndTheSameAtAnyNumberOfThreads) {
  const std::vector<uint16_t> halves = Vectors(6000, 0.15f);
  const HalfRows rows = RowsOf(halves);
  Context one(1), four(4);
  const PairOptions options = {.cosine = 0.9f, .clusters = 24};
  const auto found = FindSimilarPairs(one, rows, options, All), again = FindSimilarPairs(four, rows, options, All);
  ASSERT_EQ(found.pairs.size(), again.pairs.size());
  for (size_t i = 0; i < found.pairs.size(); ++i) {
    EXPECT_EQ(found.pairs[i].a, again.pairs[i].a);
    EXPECT_EQ(found.pairs[i].b, again.pairs[i].b);
    EXPECT_EQ(found.pairs[i].cosine, again.pairs[i].cosine);
  }
  EXPECT_EQ(found.cluster, again.cluster);
  const auto all = Naive(rows, 0.9f);
  const double recall = static_cast<double>(found.pairs.size()) / static_cast<double>(all.size());
  EXPECT_GE(recall, 0.98);
  const RecallEstimate estimate = EstimateRecall(four, rows, options, All, found, 3000);
  EXPECT_NEAR(estimate.share, recall, 0.02);
  EXPECT_LT(estimate.least, estimate.share);
  EXPECT_GE(estimate.least, estimate.share - 0.04);
  EXPECT_GT(estimate.pairs, 200);
}

TEST(SimilarPairs, RecallOfWhatIsMissing) {
  const std::vector<uint16_t> halves = Vectors(2000, 0.1f);
  const HalfRows rows = RowsOf(halves);
  Context context(2);
  SimilarPairs found = FindSimilarPairs(context, rows, {.cosine = 0.9f}, All);
  const auto all = static_cast<double>(found.pairs.size());
  std::erase_if(found.pairs, [](const SimilarPair& pair) { return pair.a % 4 == 0; });
  const RecallEstimate estimate = EstimateRecall(context, rows, {.cosine = 0.9f}, All, found, 2000);
  EXPECT_DOUBLE_EQ(estimate.share, static_cast<double>(found.pairs.size()) / all);
  EXPECT_EQ(estimate.pairs, static_cast<int64_t>(all));
  const RecallEstimate nothing = EstimateRecall(context, rows, {.cosine = 1.5f}, All, found, 100);
  EXPECT_EQ(nothing.pairs, 0);
  EXPECT_EQ(nothing.least, 0);
}

TEST(SimilarPairs, LeastShareAsTablesHaveIt) {
  EXPECT_NEAR(LeastShare(10, 10), 0.7411, 1e-4);  // 0.05^(1/10)
  EXPECT_NEAR(LeastShare(8, 10), 0.4931, 1e-4);
  EXPECT_NEAR(LeastShare(299, 300), 0.9843, 1e-4);
  EXPECT_EQ(LeastShare(0, 10), 0);
}

TEST(SimilarPairs, AcrossTwoSetsAlone) {
  const std::vector<uint16_t> halves = Vectors(400, 0.1f);
  HalfRows rows = RowsOf(halves);
  std::swap(rows.rows[9], rows.rows[390]);  // a pair across the border at 200
  Context context(2);
  const auto found = FindSimilarPairs(context, rows, {.cosine = 0.9f, .from = 200}, All);
  for (const auto& [a, b] : SetOf(found)) {
    EXPECT_LT(a, 200u);
    EXPECT_GE(b, 200u);
  }
  EXPECT_TRUE(SetOf(found).contains({8u, 390u}));
}

TEST(SimilarPairs, EqualRowsDoNotExplode) {
  std::vector<uint16_t> halves(static_cast<size_t>(2000 * kE), FloatToHalf(1 / std::sqrt(32.0f)));
  const HalfRows rows = RowsOf(halves);
  Context context(2);
  const auto found = FindSimilarPairs(context, rows, {.cosine = 0.9f, .most = 8}, All);
  EXPECT_LE(found.pairs.size(), 2000u * 8u);
  std::set<uint32_t> met;
  for (const SimilarPair& pair : found.pairs) met.insert({pair.a, pair.b});
  EXPECT_EQ(met.size(), 2000u);  // nobody is left out
}

TEST(SimilarPairs, NothingAndOne) {
  Context context(1);
  EXPECT_TRUE(FindSimilarPairs(context, {.e = kE}, {}, All).pairs.empty());
  const std::vector<uint16_t> halves = Vectors(1, 0);
  EXPECT_TRUE(FindSimilarPairs(context, RowsOf(halves), {}, All).pairs.empty());
}

}  // namespace
}  // namespace diptych
