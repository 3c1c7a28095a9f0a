#include <gtest/gtest.h>

#include <numeric>

#include "kernels/attention/attention.h"
#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

struct Case {
  std::vector<int32_t> lengths, q_lengths;
  int heads = 2, head_dim = 64;
  bool causal = false;
  int threads = 1;
  float spread = 1.0f;  // of the queries: large ones give peaked softmaxes
};

// Rows as a fused projection leaves them, q | k | v, where the queries may be rows of their own.
struct Operands {
  explicit Operands(const Case& c) : d(int64_t{c.heads} * c.head_dim) {
    const auto& q_lengths = c.q_lengths.empty() ? c.lengths : c.q_lengths;
    queries = std::accumulate(q_lengths.begin(), q_lengths.end(), int64_t{0});
    rows = Random(std::accumulate(c.lengths.begin(), c.lengths.end(), int64_t{0}) * 3 * d, 1);
    q = Random(queries * 3 * d, 2, c.spread);
    dy = Random(queries * d, 3);
    shape = {.heads = c.heads,
             .head_dim = c.head_dim,
             .causal = c.causal,
             .scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim))};
    input = {.q_stride = 3 * d, .kv_stride = 3 * d, .lengths = c.lengths, .q_lengths = c.q_lengths};
  }
  AttentionInput Input() {
    input.q = q.data();
    input.k = rows.data() + d;
    input.v = rows.data() + 2 * d;
    return input;
  }

  int64_t d, queries;
  std::vector<float> rows, q, dy;
  AttentionShape shape;
  AttentionInput input;
};

// dq, and dk and dv, in rows as the operands'; what is in the other columns must stay.
struct Gradients {
  explicit Gradients(const Operands& of) : q(of.q.size(), 7.0f), rows(of.rows.size(), 7.0f), d(of.d) {}
  AttentionGradients Pointers() { return {q.data(), rows.data() + d, rows.data() + 2 * d}; }

  std::vector<float> q, rows;
  int64_t d;
};

double DifferenceFromReference(const Case& c) {
  Operands operands(c);
  const AttentionInput input = operands.Input();
  Gradients expected(operands);
  reference::AttentionBackward(input, operands.shape, operands.dy.data(), expected.Pointers());
  double worst = 0.0;
  ForEachTarget([&] {
    Context context(c.threads);
    std::vector<float> y(static_cast<size_t>(operands.queries * operands.d));
    Attention(context, input, operands.shape, y.data());
    Gradients actual(operands);
    AttentionBackward(context, input, operands.shape, y.data(), operands.dy.data(), actual.Pointers());
    worst = std::max({worst, MaxDifference(expected.q, actual.q), MaxDifference(expected.rows, actual.rows)});
  });
  return worst;
}

constexpr double kTolerance = 2e-5;  // gradients of a few units: dv sums as many rows of dy as there are queries

TEST(AttentionBackward, LengthsAroundTheTile) {
  for (const bool causal : {false, true}) {
    for (const int32_t t : {1, 2, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 50, 77, 257}) {
      EXPECT_LT(DifferenceFromReference({.lengths = {t}, .causal = causal}), kTolerance) << t << " " << causal;
    }
  }
}

TEST(AttentionBackward, HeadDims) {
  for (const int head_dim : {1, 7, 16, 24, 32, 64, 72, 80, 88, 104, 128}) {
    const Case c{.lengths = {19, 50}, .heads = 3, .head_dim = head_dim, .causal = true};
    EXPECT_LT(DifferenceFromReference(c), kTolerance) << head_dim;
  }
}

TEST(AttentionBackward, PackedSequencesOfUnequalLength) {
  for (const bool causal : {false, true}) {
    for (const int threads : {1, 2, 3}) {
      const Case c{
          .lengths = {7, 1, 33, 12, 0, 77, 6}, .heads = 4, .head_dim = 32, .causal = causal, .threads = threads};
      EXPECT_LT(DifferenceFromReference(c), kTolerance) << causal << " " << threads;
    }
  }
}

TEST(AttentionBackward, LastQueriesOnly) {
  for (const bool causal : {false, true}) {
    const Case mixed{.lengths = {50, 20, 9, 40}, .q_lengths = {1, 20, 0, 18}, .head_dim = 72, .causal = causal};
    EXPECT_LT(DifferenceFromReference(mixed), kTolerance) << causal;
    const Case pooled{.lengths = {50, 50, 12}, .q_lengths = {1, 1, 1}, .causal = causal, .threads = 2};
    EXPECT_LT(DifferenceFromReference(pooled), kTolerance) << causal;
  }
}

TEST(AttentionBackward, PeakedScores) {
  const Case c{.lengths = {50, 300}, .causal = true, .spread = 60.0f};  // scores up to some hundreds
  EXPECT_LT(DifferenceFromReference(c), 1e-2);  // their rounding is multiplied by as much, and by the queries
}

TEST(AttentionBackward, NothingToDo) {
  EXPECT_EQ(DifferenceFromReference({.lengths = {}}), 0.0);
  EXPECT_EQ(DifferenceFromReference({.lengths = {0}}), 0.0);
  EXPECT_EQ(DifferenceFromReference({.lengths = {3}, .q_lengths = {0}}), 0.0);
}

TEST(AttentionBackward, IsTheDerivative) {
  for (const bool causal : {false, true}) {
    const Case c{.lengths = {4, 3}, .q_lengths = {2, 3}, .heads = 2, .head_dim = 3, .causal = causal};
    Operands operands(c);
    Gradients gradients(operands);
    reference::AttentionBackward(operands.Input(), operands.shape, operands.dy.data(), gradients.Pointers());
    const auto forward = [&](const std::vector<float>& q, const std::vector<float>& rows) {
      AttentionInput input = operands.input;
      input.q = q.data();
      input.k = rows.data() + operands.d;
      input.v = rows.data() + 2 * operands.d;
      std::vector<float> y(operands.dy.size());
      reference::Attention(input, operands.shape, y.data());
      return y;
    };
    for (size_t i = 0; i < operands.q.size(); ++i) {
      if (static_cast<int64_t>(i) % (3 * operands.d) >= operands.d) continue;  // not q
      const auto of_q = [&](const auto& q) { return forward(q, operands.rows); };
      EXPECT_NEAR(gradients.q[i], NumericDerivative(operands.q, i, operands.dy, of_q), 2e-4) << i;
    }
    for (size_t i = 0; i < operands.rows.size(); ++i) {
      if (static_cast<int64_t>(i) % (3 * operands.d) < operands.d) continue;  // not k or v
      const auto of_rows = [&](const auto& rows) { return forward(operands.q, rows); };
      EXPECT_NEAR(gradients.rows[i], NumericDerivative(operands.rows, i, operands.dy, of_rows), 2e-4) << i;
    }
  }
}

}  // namespace
}  // namespace diptych::kernels
