#include "kernels/norms/norm.h"

#include <gtest/gtest.h>

#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

TEST(LayerNorm, MatchesTheReference) {
  ForEachTarget([] {
    for (const int64_t d : {1, 3, 8, 33, 384, 768, 1000}) {
      for (const int64_t m : {0, 1, 5, 77}) {
        std::vector<float> x = Random(m * d, 1, 3.0f);
        for (float& value : x) value += 5.0f;  // a mean larger than the deviation
        const std::vector<float> gamma = Random(d, 2), beta = Random(d, 3);
        const LayerNormParams params{gamma.data(), beta.data(), 1e-5f};
        std::vector<float> expected(x.size()), actual(x.size());
        reference::LayerNorm(x.data(), m, d, params, expected.data());
        Context context(2);
        LayerNorm(context, x.data(), m, d, params, actual.data());
        EXPECT_LT(MaxDifference(expected, actual), d == 1 ? 1e-12 : 1e-5) << m << " x " << d;
        LayerNorm(context, x.data(), m, d, params, x.data());
        EXPECT_EQ(MaxDifference(x, actual), 0.0);
      }
    }
  });
}

TEST(L2Normalize, UnitLengthAndZeroRows) {
  ForEachTarget([] {
    for (const int64_t d : {1, 7, 512, 515}) {
      std::vector<float> x = Random(3 * d, 1), expected = x;
      for (int64_t row = 0; row < 3; ++row) {
        double squares = 0.0;
        for (int64_t i = 0; i < d; ++i) squares += std::pow(x[row * d + i], 2.0);
        for (int64_t i = 0; i < d; ++i) expected[row * d + i] = static_cast<float>(x[row * d + i] / std::sqrt(squares));
      }
      L2Normalize(x.data(), 3, d);
      EXPECT_LT(MaxDifference(expected, x), 3e-7) << d;
    }
    std::vector<float> zeros(9, 0.0f);
    L2Normalize(zeros.data(), 1, 9);
    EXPECT_EQ(zeros, std::vector<float>(9, 0.0f));
  });
}

// Rows of width d with a mean larger than their deviation, and what a backward pass needs of them.
struct NormCase {
  NormCase(int64_t rows, int64_t width) : m(rows), d(width), x(Random(m * d, 1, 3.0f)), statistics_of(2 * m) {
    for (float& value : x) value += 5.0f;
    std::vector<float> y(x.size());
    Context context;
    LayerNorm(context, x.data(), m, d, Params(), y.data(), Statistics());
  }
  LayerNormParams Params() const { return {gamma.data(), beta.data(), 1e-5f}; }
  LayerNormStatistics Statistics() { return {statistics_of.data(), statistics_of.data() + m}; }
  LayerNormBackwardArgs Args(const float* residual) {
    return {x.data(), dy.data(), m, d, Params(), Statistics(), residual};
  }

  int64_t m, d;
  std::vector<float> x, statistics_of;
  std::vector<float> gamma = Random(d, 2), beta = Random(d, 3), dy = Random(m * d, 4), dresidual = Random(m * d, 5);
};

TEST(LayerNorm, KeepsItsStatistics) {
  NormCase c(37, 33);
  for (int64_t row = 0; row < c.m; ++row) {
    double mean = 0.0, variance = 0.0;
    for (int64_t i = 0; i < c.d; ++i) mean += c.x[row * c.d + i];
    mean /= static_cast<double>(c.d);
    for (int64_t i = 0; i < c.d; ++i) variance += std::pow(c.x[row * c.d + i] - mean, 2.0);
    EXPECT_NEAR(c.Statistics().mean[row], mean, 2e-6);
    EXPECT_NEAR(c.Statistics().inverse_deviation[row], 1.0 / std::sqrt(variance / static_cast<double>(c.d) + 1e-5),
                1e-6);
  }
  std::vector<float> plain(c.x.size()), kept(c.x.size());
  Context context(2);
  LayerNorm(context, c.x.data(), c.m, c.d, c.Params(), plain.data());
  LayerNorm(context, c.x.data(), c.m, c.d, c.Params(), kept.data(), c.Statistics());
  EXPECT_EQ(plain, kept);
}

TEST(LayerNormBackward, MatchesTheReference) {
  ForEachTarget([] {
    for (const int64_t d : {1, 3, 8, 33, 384, 768}) {
      for (const int64_t m : {0, 1, 5, 77, 333}) {
        NormCase c(m, d);
        for (const float* residual :
             {static_cast<const float*>(nullptr), static_cast<const float*>(c.dresidual.data())}) {
          const std::vector<float> sums = Random(d, 6);
          std::vector<float> dx(c.x.size()), dgamma = sums, dbeta = sums;
          std::vector<float> expected(dx), expected_dgamma = sums, expected_dbeta = sums;
          reference::LayerNormBackward(c.Args(residual), expected.data(),
                                       {expected_dgamma.data(), expected_dbeta.data()});
          Context context(2);
          LayerNormBackward(context, c.Args(residual), dx.data(), {dgamma.data(), dbeta.data()});
          // The one row of width 1 is its own mean: what is left is rounding, times 1 / sqrt(eps).
          EXPECT_LT(MaxDifference(expected, dx), d == 1 ? 1e-4 : 1e-5) << m << " x " << d;
          EXPECT_LT(MaxDifference(expected_dgamma, dgamma), 1e-4) << m << " x " << d;
          EXPECT_LT(MaxDifference(expected_dbeta, dbeta), 1e-4) << m << " x " << d;
        }
      }
    }
  });
}

TEST(LayerNormBackward, InPlaceOneThreadAndFrozenAreTheSame) {
  NormCase c(77, 50);
  std::vector<float> dx(c.x.size()), dgamma(50), dbeta(50), again_dgamma(50);
  Context team(2), single;
  LayerNormBackward(team, c.Args(c.dresidual.data()), dx.data(), {dgamma.data(), dbeta.data()});
  LayerNormBackwardArgs args = c.Args(c.dresidual.data());
  LayerNormBackward(single, args, c.dresidual.data(), {again_dgamma.data(), nullptr});
  EXPECT_EQ(c.dresidual, dx);
  EXPECT_EQ(again_dgamma, dgamma);
  NormCase other(77, 50);
  args = other.Args(other.dresidual.data());
  std::vector<float> again_dbeta(50);
  LayerNormBackward(team, args, other.dy.data(), {nullptr, again_dbeta.data()});
  EXPECT_EQ(other.dy, dx);
  EXPECT_EQ(again_dbeta, dbeta);
}

TEST(LayerNormBackward, IsTheDerivative) {
  NormCase c(3, 11);
  std::vector<float> dx(c.x.size()), dgamma(11), dbeta(11);
  reference::LayerNormBackward(c.Args(nullptr), dx.data(), {dgamma.data(), dbeta.data()});
  const auto forward = [&](const std::vector<float>& x, const std::vector<float>& gamma,
                           const std::vector<float>& beta) {
    std::vector<float> y(x.size());
    reference::LayerNorm(x.data(), 3, 11, {gamma.data(), beta.data(), 1e-5f}, y.data());
    return y;
  };
  for (size_t i = 0; i < dx.size(); ++i) {
    EXPECT_NEAR(dx[i], NumericDerivative(c.x, i, c.dy, [&](const auto& x) { return forward(x, c.gamma, c.beta); }),
                1e-4);
  }
  for (size_t i = 0; i < 11; ++i) {
    const auto of_gamma = [&](const auto& gamma) { return forward(c.x, gamma, c.beta); };
    const auto of_beta = [&](const auto& beta) { return forward(c.x, c.gamma, beta); };
    EXPECT_NEAR(dgamma[i], NumericDerivative(c.gamma, i, c.dy, of_gamma), 1e-4);
    EXPECT_NEAR(dbeta[i], NumericDerivative(c.beta, i, c.dy, of_beta), 1e-4);
  }
}

TEST(L2NormalizeBackward, MatchesTheReference) {
  ForEachTarget([] {
    for (const int64_t d : {1, 7, 512, 515}) {
      constexpr int64_t kM = 3;
      const std::vector<float> x = Random(kM * d, 1), dy = Random(kM * d, 2);
      std::vector<float> y(x.size()), lengths(kM), dx(x.size()), in_place = x;
      std::vector<float> expected_y(x.size()), expected_lengths(kM), expected(x.size());
      L2Normalize(x.data(), kM, d, y.data(), lengths.data());
      L2Normalize(in_place.data(), kM, d);
      EXPECT_EQ(y, in_place);
      reference::L2Normalize(x.data(), kM, d, expected_y.data(), expected_lengths.data());
      EXPECT_LT(MaxDifference(expected_y, y), 3e-7);
      EXPECT_LT(MaxDifference(expected_lengths, lengths), 1e-5);
      L2NormalizeBackward(y.data(), lengths.data(), dy.data(), kM, d, dx.data());
      reference::L2NormalizeBackward(x.data(), dy.data(), kM, d, expected.data());
      EXPECT_LT(MaxDifference(expected, dx), 2e-6) << d;
      std::vector<float> over = dy;
      L2NormalizeBackward(y.data(), lengths.data(), over.data(), kM, d, over.data());
      EXPECT_EQ(over, dx);
    }
    L2NormalizeBackward(nullptr, nullptr, nullptr, 0, 5, nullptr);
  });
}

TEST(L2NormalizeBackward, IsTheDerivative) {
  const std::vector<float> x = Random(2 * 5, 1), dy = Random(2 * 5, 2);
  std::vector<float> dx(x.size());
  reference::L2NormalizeBackward(x.data(), dy.data(), 2, 5, dx.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto forward = [](const std::vector<float>& values) {
      std::vector<float> y(values.size()), lengths(2);
      reference::L2Normalize(values.data(), 2, 5, y.data(), lengths.data());
      return y;
    };
    EXPECT_NEAR(dx[i], NumericDerivative(x, i, dy, forward), 2e-4);
  }
}

}  // namespace
}  // namespace diptych::kernels
