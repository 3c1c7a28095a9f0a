#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/half.h"
#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

constexpr double kTolerance = 3e-6;  // a mean of unit normals with weights that sum to one

struct Case {
  std::vector<int32_t> lengths, q_lengths;
  int heads = 2, head_dim = 64;
  bool causal = false;
  std::vector<int32_t> parents;
  int threads = 1;
  float spread = 1.0f;  // of the queries: large ones give peaked softmaxes
  bool key_bias = false;
};

std::vector<uint16_t> Rounded(std::vector<float>& values) {
  std::vector<uint16_t> brains;
  for (float& value : values) {
    brains.push_back(FloatToBFloat16(value));
    value = BFloat16ToFloat(brains.back());
  }
  return brains;
}

// Of fp32 on every target; or, `narrow`, of bf16.
double DifferenceFromReference(const Case& c, bool narrow = false) {
  const int64_t d = int64_t{c.heads} * c.head_dim;
  const std::vector<int32_t>& q_lengths = c.q_lengths.empty() ? c.lengths : c.q_lengths;
  const int64_t m = std::accumulate(c.lengths.begin(), c.lengths.end(), int64_t{0});
  const int64_t queries = std::accumulate(q_lengths.begin(), q_lengths.end(), int64_t{0});
  std::vector<float> rows = Random(m * 3 * d, 1);
  std::vector<float> q = Random(queries * 3 * d, 3, c.spread);  // rows as a fused projection leaves them
  const std::vector<uint16_t> brain_rows = Rounded(rows), brain_q = Rounded(q);
  const std::vector<float> bias = Random(c.key_bias ? m : 0, 5, 2.0f);
  const AttentionInput input{.q = q.data(),
                       .k = rows.data() + d,
                       .v = rows.data() + 2 * d,
                       .q_stride = 3 * d,
                       .kv_stride = 3 * d,
                       .lengths = c.lengths,
                       .q_lengths = c.q_lengths,
                       .parents = c.parents,
                       .key_bias = bias};
  const AttentionShape shape{.heads = c.heads,
                             .head_dim = c.head_dim,
                             .causal = c.causal,
                             .scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim))};
  std::vector<float> expected(static_cast<size_t>(queries * d)), actual(expected.size());
  reference::Attention(input, shape, expected.data());
  Context context(c.threads);
  if (narrow) {
    const BrainAttentionInput brains{.q = brain_q.data(),
                                     .k = brain_rows.data() + d,
                                     .v = brain_rows.data() + 2 * d,
                                     .q_stride = 3 * d,
                                     .kv_stride = 3 * d,
                                     .lengths = c.lengths,
                                     .q_lengths = c.q_lengths,
                                     .parents = c.parents,
                                     .key_bias = bias};
    std::vector<uint16_t> y(actual.size(), FloatToBFloat16(std::numeric_limits<float>::quiet_NaN()));
    Attention(context, brains, shape, y.data());
    std::transform(y.begin(), y.end(), actual.begin(), BFloat16ToFloat);
    return MaxDifference(expected, actual);
  }
  double worst = 0.0;
  ForEachTarget([&] {
    std::fill(actual.begin(), actual.end(), std::numeric_limits<float>::quiet_NaN());
    Attention(context, input, shape, actual.data());
    worst = std::max(worst, MaxDifference(expected, actual));
  });
  return worst;
}

TEST(Attention, LengthsAroundTheTile) {
  for (const bool causal : {false, true}) {
    for (const int32_t t : {1, 2, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 50, 77, 257}) {
      EXPECT_LT(DifferenceFromReference({.lengths = {t}, .causal = causal}), kTolerance) << t << " " << causal;
    }
  }
}

TEST(Attention, HeadDims) {
  for (const int head_dim : {1, 7, 16, 24, 32, 64, 72, 80, 88, 104, 128}) {
    const Case c{.lengths = {19, 50}, .heads = 3, .head_dim = head_dim, .causal = true};
    EXPECT_LT(DifferenceFromReference(c), kTolerance) << head_dim;
  }
}

TEST(Attention, PackedSequencesOfUnequalLength) {
  for (const bool causal : {false, true}) {
    for (const int threads : {1, 2, 3}) {
      const Case c{
          .lengths = {7, 1, 33, 12, 0, 77, 6}, .heads = 4, .head_dim = 32, .causal = causal, .threads = threads};
      EXPECT_LT(DifferenceFromReference(c), kTolerance) << causal << " " << threads;
    }
  }
}

TEST(Attention, LastQueriesOnly) {
  for (const bool causal : {false, true}) {
    const Case c{.lengths = {50, 20, 9, 40}, .q_lengths = {1, 20, 0, 18}, .head_dim = 72, .causal = causal};
    EXPECT_LT(DifferenceFromReference(c), kTolerance) << causal;
  }
}

TEST(Attention, SharedBeginnings) {
  for (const bool causal : {false, true}) {
    const Case c{.lengths = {11, 5, 1, 17, 2, 40},
                 .q_lengths = {11, 0, 1, 3, 2, 35},
                 .head_dim = 80,
                 .causal = causal,
                 .parents = {-1, 0, 1, 0, -1, 1}};
    EXPECT_LT(DifferenceFromReference(c), kTolerance) << causal;
  }
}

TEST(Attention, BiasOfKeys) {
  for (const bool causal : {false, true}) {
    const Case c{.lengths = {7, 1, 33, 50, 0, 257},
                 .q_lengths = {7, 1, 1, 50, 0, 40},
                 .heads = 3,
                 .causal = causal,
                 .threads = 2,
                 .key_bias = true};
    EXPECT_LT(DifferenceFromReference(c), kTolerance) << causal;
    if (HasBrainAttention()) EXPECT_LT(DifferenceFromReference(c, true), 0.02) << causal;
  }
}

TEST(BrainAttention, EverythingThatFloatsAreTriedOn) {
  if (!HasBrainAttention()) GTEST_SKIP() << "no product of tiles on this processor";
  constexpr double kNarrow = 0.02;  // weights and answers, of up to 4, are rounded to 8 bits
  for (const bool causal : {false, true}) {
    for (const int32_t t : {1, 2, 5, 15, 16, 17, 31, 32, 33, 50, 77, 257}) {
      EXPECT_LT(DifferenceFromReference({.lengths = {t}, .causal = causal}, true), kNarrow) << t << " " << causal;
    }
    for (const int head_dim : {1, 7, 16, 24, 32, 64, 72, 80, 104, 128}) {
      const Case c{.lengths = {19, 50}, .heads = 3, .head_dim = head_dim, .causal = causal};
      EXPECT_LT(DifferenceFromReference(c, true), kNarrow) << head_dim << " " << causal;
    }
    for (const int threads : {1, 2, 3}) {
      const Case c{.lengths = {11, 5, 1, 17, 2, 40, 0},
                   .q_lengths = {11, 0, 1, 3, 2, 35, 0},
                   .heads = 5,
                   .head_dim = 80,
                   .causal = causal,
                   .parents = {-1, 0, 1, 0, -1, 1, -1},
                   .threads = threads};
      EXPECT_LT(DifferenceFromReference(c, true), kNarrow) << causal << " " << threads;
    }
  }
  EXPECT_EQ(DifferenceFromReference({.lengths = {}}, true), 0.0);
}

TEST(Attention, PeakedScores) {
  const Case c{.lengths = {50, 300}, .causal = true, .spread = 60.0f};  // scores up to some hundreds
  EXPECT_LT(DifferenceFromReference(c), 2e-4);                          // their rounding is multiplied by as much
}

TEST(Attention, NothingToDo) {
  EXPECT_EQ(DifferenceFromReference({.lengths = {}}), 0.0);
  EXPECT_EQ(DifferenceFromReference({.lengths = {0}}), 0.0);
}

}  // namespace
}  // namespace diptych::kernels
