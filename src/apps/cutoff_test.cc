#include "apps/cutoff.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace diptych {
namespace {

TEST(Cutoff, KeepsWhileTheMeanStaysWithin) {
  const std::vector<double> chances = {0, 0.1, 0.2, 0.5, 0.9};
  EXPECT_EQ(CountWithin(chances, 0), 1u);
  EXPECT_EQ(CountWithin(chances, 0.1), 3u);
  EXPECT_EQ(CountWithin(chances, 0.2), 4u);
  EXPECT_EQ(CountWithin(chances, 1), 5u);
  EXPECT_EQ(CountWithin({}, 0.1), 0u);
}

TEST(Cutoff, WordsCompeteForAPicture) {
  const std::vector<float> query = {1, 0, 0};
  const std::vector<float> background = {0, 1, 0, 0.99f, 0.141f, 0};  // the second one means the same as the query
  const std::vector<float> pictures = {1, 0, 0, 0, 1, 0, 0.7071f, 0.7071f, 0};
  const std::vector<double> chances = ChancesOfOther(pictures, query, background, 50);
  EXPECT_NEAR(chances[0], 0, 1e-9);
  EXPECT_NEAR(chances[1], 1, 1e-9);
  EXPECT_NEAR(chances[2], 0.5, 1e-6);
  EXPECT_EQ(ChancesOfOther(pictures, query, {}, 50), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(ChancesOfOther(pictures, query, background, 1e6)[1], 1);  // no overflow
}

TEST(Cutoff, LikelyOnes) {
  EXPECT_EQ(CountLikely(std::vector<double>{0, 0.2, 0.5, 0.51, 1}), 3u);
  EXPECT_EQ(CountLikely(std::vector<double>{0.6}), 0u);
  EXPECT_EQ(CountLikely({}), 0u);
}

// Of a store in which nothing belongs to the query hardly anything is kept, whatever its scores are; what stands out
// is.
TEST(Cutoff, ChanceAloneIsNotAnAnswer) {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal(0.2f, 0.03f);
  std::vector<float> sample(20000);
  for (float& s : sample) s = normal(engine);
  std::vector<float> best = sample;
  std::sort(best.rbegin(), best.rend());
  best.resize(100);
  EXPECT_LE(CountWithin(ChancesByNull(best, sample, 20000), 0.05), 1u);
  std::vector<float> found = {0.6f, 0.55f, 0.5f};
  found.insert(found.end(), best.begin(), best.end());
  const size_t kept = CountWithin(ChancesByNull(found, sample, 20003), 0.05);
  EXPECT_GE(kept, 3u);
  EXPECT_LE(kept, 4u);
  EXPECT_EQ(ChancesByNull(found, {}, 10).size(), found.size());
}

}  // namespace
}  // namespace diptych
