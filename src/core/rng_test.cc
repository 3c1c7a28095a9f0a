#include "core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace diptych {
namespace {

using Words = std::array<uint32_t, 4>;

// Random123's kat_vectors, "philox4x32 10".
TEST(Rng, PhiloxGivesThePublishedVectors) {
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(Philox({ones, ones, ones, ones}, {ones, ones}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, BlocksAreThePhiloxOfTheirNumber) {
  Rng rng(0x299f31d0a4093822, 0x0370734413198a2e);
  rng.Seek(0x85a308d3243f6a88);
  EXPECT_EQ(rng.NextU64(), 0x94fdccebd16cfe09u);
  EXPECT_EQ(rng.NextU32(), 0x5001e420u);
}

TEST(Rng, SeekReachesWhatWalkingReaches) {
  Rng walked(7, 3), sought(7, 3);
  for (int i = 0; i < 4 * 1000; ++i) walked.NextU32();
  sought.Normal();  // leaves a spare behind
  sought.Seek(1000);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(walked.Normal(), sought.Normal());
}

TEST(Rng, StreamsSeedsAndDerivedSeedsDiffer) {
  std::vector<uint64_t> first;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    for (uint64_t stream = 0; stream < 30; ++stream) {
      first.push_back(Rng(seed, stream).NextU64());
      first.push_back(DeriveSeed(seed, stream, 1));
    }
  }
  std::sort(first.begin(), first.end());
  EXPECT_EQ(std::adjacent_find(first.begin(), first.end()), first.end());
  EXPECT_NE(StreamOf("a"), StreamOf("b"));
  EXPECT_EQ(StreamOf("foobar"), 0x85944171f73967e8u);  // of the FNV test suite
}

TEST(Rng, BelowIsUniform) {
  Rng rng(1);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.Below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 5 * 93);  // five standard deviations
  EXPECT_EQ(rng.Below(1), 0u);
  // A bound over 2^63: a remainder would favour the lower half of the values two to one.
  const uint64_t bound = uint64_t{3} << 62;
  int low = 0;
  for (int i = 0; i < 9000; ++i) low += rng.Below(bound) < bound / 3;
  EXPECT_NEAR(low, 3000, 5 * 45);
}

TEST(Rng, FloatsLieInTheirInterval) {
  Rng rng(2);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const float x = rng.NextFloat();
    ASSERT_TRUE(x >= 0 && x < 1) << x;
    const double y = rng.Uniform(-3, 5);
    ASSERT_TRUE(y >= -3 && y < 5) << y;
    sum += x + y;
  }
  EXPECT_NEAR(sum / 100000, 0.5 + 1, 5 * 2.33 / 316);
  EXPECT_EQ(rng.Uniform(4, 4), 4);
  int hits = 0;
  for (int i = 0; i < 10000; ++i) hits += rng.Chance(0.2);
  EXPECT_NEAR(hits, 2000, 5 * 40);
  EXPECT_FALSE(rng.Chance(0));
  EXPECT_TRUE(rng.Chance(1));
}

TEST(Rng, NormalsHaveTheirMoments) {
  Rng rng(3);
  constexpr int kCount = 200000;
  double moments[4] = {};
  int beyond_two = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = rng.Normal();
    double power = 1;
    for (double& moment : moments) moment += (power *= x) / kCount;
    beyond_two += std::abs(x) > 2;
  }
  EXPECT_NEAR(moments[0], 0, 0.012);
  EXPECT_NEAR(moments[1], 1, 0.016);
  EXPECT_NEAR(moments[2], 0, 0.044);
  EXPECT_NEAR(moments[3], 3, 0.11);
  EXPECT_NEAR(beyond_two / static_cast<double>(kCount), 0.0455, 0.0024);
}

TEST(Rng, ShufflesAreUniformPermutations) {
  int counts[24] = {};
  Rng rng(4);
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> values{0, 1, 2, 3};
    Shuffle<int>(values, rng);
    int rank = 0;
    for (int a = 0; a < 4; ++a)
      rank = rank * (4 - a) +
             static_cast<int>(std::count_if(values.begin() + a, values.end(), [&](int v) { return v < values[a]; }));
    ++counts[rank];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 5 * 31);
}

}  // namespace
}  // namespace diptych
