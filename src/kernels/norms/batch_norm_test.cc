#include "kernels/norms/batch_norm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

struct Case {
  Case(int64_t m, int64_t c, Activation activation, bool residual)
      : m(m),
        c(c),
        activation(activation),
        x(Random(m * c, 1, 2.0f)),
        dy(Random(m * c, 2)),
        gamma(Random(c, 3)),
        beta(Random(c, 4)),
        mean(c),
        variance(c) {
    for (int64_t i = 0; i < m * c; ++i) x[i] += static_cast<float>(i % c % 7);  // means off zero
    if (residual) addend = Random(m * c, 5);
  }
  BatchNormArgs Args() {
    return {.x = x.data(),
            .m = m,
            .c = c,
            .params = {gamma.data(), beta.data(), 1e-5f},
            .statistics = {mean.data(), variance.data()},
            .activation = activation};
  }
  const float* residual() const { return addend.empty() ? nullptr : addend.data(); }

  int64_t m, c;
  Activation activation;
  std::vector<float> x, dy, gamma, beta, addend, mean, variance;
};

void TestCase(Case one, int threads) {
  SCOPED_TRACE(testing::Message() << one.m << " x " << one.c << ", activation " << static_cast<int>(one.activation)
                                  << ", threads " << threads);
  Case twin = one;
  const size_t n = one.x.size();
  Context context(threads);
  std::vector<float> y(n), expected(n);
  BatchNorm(context, one.Args(), one.residual(), y.data());
  reference::BatchNorm(twin.Args(), twin.residual(), expected.data());
  EXPECT_LT(MaxDifference(expected, y), 2e-5);
  EXPECT_LT(MaxDifference(twin.mean, one.mean), 3e-6);
  EXPECT_LT(MaxDifference(twin.variance, one.variance), 2e-5);

  // Where the rounding of y decides on which side of a kink it is, both sides are right: such elements have no
  // gradient.
  for (size_t i = 0; i < n; ++i) {
    const bool near_kink = std::abs(expected[i]) < 1e-4f || std::abs(expected[i] - 6.0f) < 1e-4f;
    if (near_kink && one.activation != Activation::kNone) one.dy[i] = twin.dy[i] = 0.0f;
  }
  std::vector<float> dx(n), dresidual(n), dgamma(one.c, 1.0f), dbeta(one.c, 2.0f);
  std::vector<float> expected_dx(n), expected_dresidual(n), expected_dgamma = dgamma, expected_dbeta = dbeta;
  BatchNormBackward(context, one.Args(), y.data(), one.dy.data(), dx.data(),
                    {dgamma.data(), dbeta.data(), dresidual.data()});
  reference::BatchNormBackward(twin.Args(), twin.residual(), twin.dy.data(), expected_dx.data(),
                               {expected_dgamma.data(), expected_dbeta.data(), expected_dresidual.data()});
  const float size = std::sqrt(static_cast<float>(one.m));
  EXPECT_LT(MaxDifference(expected_dx, dx), 3e-5);
  EXPECT_LT(MaxDifference(expected_dresidual, dresidual), 1e-6);
  EXPECT_LT(MaxDifference(expected_dgamma, dgamma), 1e-5 * size);
  EXPECT_LT(MaxDifference(expected_dbeta, dbeta), 1e-5 * size);

  // In place, without the gradients that nobody wants.
  std::vector<float> in_place = one.dy;
  BatchNormBackward(context, one.Args(), y.data(), in_place.data(), in_place.data(), {});
  EXPECT_EQ(in_place, dx);
  std::vector<float> apart(n), kept = one.dy;
  BatchNormBackward(context, one.Args(), y.data(), kept.data(), apart.data(), {.dresidual = kept.data()});
  EXPECT_EQ(apart, dx);
  EXPECT_EQ(kept, dresidual);
  BatchNorm(context, one.Args(), one.residual(), one.x.data());
  EXPECT_EQ(one.x, y);
}

TEST(BatchNorm, BothPassesEqualTheTwin) {
  ForEachTarget([] {
    for (const auto activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
      for (const bool residual : {false, true}) {
        TestCase(Case(37, 13, activation, residual), 1);
        TestCase(Case(700, 24, activation, residual), 2);
      }
    }
    TestCase(Case(2, 1, Activation::kRelu, false), 1);
    TestCase(Case(5, 257, Activation::kRelu, true), 2);
  });
}

TEST(BatchNorm, OneRowIsItsOwnMean) {
  Case one(1, 9, Activation::kNone, false);
  Context context;
  std::vector<float> y(9), dx(9, 1.0f);
  BatchNorm(context, one.Args(), nullptr, y.data());
  EXPECT_LT(MaxDifference(y, one.beta), 1e-3);  // x * scale + shift, where scale is 1 / sqrt(eps)
  BatchNormBackward(context, one.Args(), y.data(), one.dy.data(), dx.data(), {});
  EXPECT_LT(MaxDifference(dx, std::vector<float>(9)), 1e-4);
}

TEST(BatchNorm, FarFromZeroTheVarianceKeepsItsDigits) {
  Case far(4096, 8, Activation::kNone, false);
  for (float& value : far.x) value = 1000.0f + value / 16.0f;
  Case twin = far;
  std::vector<float> y(far.x.size()), expected(y.size());
  Context context(2);
  BatchNorm(context, far.Args(), nullptr, y.data());
  reference::BatchNorm(twin.Args(), nullptr, expected.data());
  for (int c = 0; c < 8; ++c) EXPECT_NEAR(far.variance[c] / twin.variance[c], 1.0f, 1e-4f) << c;
}

TEST(BatchNorm, TheSameBitsWithAnyNumberOfThreads) {
  Case one(3000, 20, Activation::kRelu, false);
  std::vector<float> all[3];
  for (int threads = 1; threads <= 3; ++threads) {
    Context context(threads);
    std::vector<float>& result = all[threads - 1];
    result.resize(one.x.size() + 40);
    std::vector<float> y(one.x.size());
    BatchNorm(context, one.Args(), nullptr, y.data());
    BatchNormBackward(context, one.Args(), y.data(), one.dy.data(), result.data() + 40,
                      {.dgamma = result.data(), .dbeta = result.data() + 20});
  }
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
}

TEST(BatchNorm, TheTwinEqualsNumericDifferentiation) {
  for (const auto activation : {Activation::kNone, Activation::kRelu6}) {
    Case one(12, 3, activation, true);
    const size_t n = one.x.size();
    std::vector<float> dx(n), dresidual(n), dgamma(3), dbeta(3);
    reference::BatchNormBackward(one.Args(), one.residual(), one.dy.data(), dx.data(),
                                 {dgamma.data(), dbeta.data(), dresidual.data()});
    const auto differentiate = [&](std::vector<float> Case::*operand, size_t i) {
      const Case& base = one;
      return NumericDerivative(base.*operand, i, base.dy, [&](const std::vector<float>& values) {
        Case moved = base;
        moved.*operand = values;
        std::vector<float> y(n);
        reference::BatchNorm(moved.Args(), moved.residual(), y.data());
        return y;
      });
    };
    // A step over a kink spoils the difference: few elements are so near to one.
    int wrong = 0;
    for (size_t i = 0; i < n; ++i) wrong += std::abs(differentiate(&Case::x, i) - dx[i]) > 2e-3;
    for (size_t i = 0; i < n; ++i) wrong += std::abs(differentiate(&Case::addend, i) - dresidual[i]) > 2e-3;
    for (size_t c = 0; c < 3; ++c) wrong += std::abs(differentiate(&Case::gamma, c) - dgamma[c]) > 5e-3;
    for (size_t c = 0; c < 3; ++c) wrong += std::abs(differentiate(&Case::beta, c) - dbeta[c]) > 5e-3;
    EXPECT_LE(wrong, activation == Activation::kNone ? 0 : 8);
  }
}

}  // namespace
}  // namespace diptych::kernels
