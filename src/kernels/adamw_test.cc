#include "kernels/adamw.h"

#include <gtest/gtest.h>

#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

// The formulas of the header in double precision.
struct Reference {
  std::vector<double> w, m, v;

  void Step(const AdamWOptions& o, const std::vector<float>& gradient) {
    for (size_t i = 0; i < w.size(); ++i) {
      const double g = static_cast<double>(o.gradient_factor) * gradient[i];
      m[i] += (1 - o.beta1) * (g - m[i]);
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
      const double step = static_cast<double>(o.step);
      w[i] -= o.rate * o.weight_decay * w[i];
      w[i] -= o.rate / (1 - std::pow(o.beta1, step)) * m[i] /
              (std::sqrt(v[i]) / std::sqrt(1 - std::pow(o.beta2, step)) + o.eps);
    }
  }
};

TEST(AdamW, MatchesTheFormulas) {
  ForEachTarget([] {
    for (const int64_t n : {0, 1, 7, 8, 33, 40001}) {
      std::vector<float> w = Random(n, 1), m(w.size()), v(w.size());
      Reference reference{{w.begin(), w.end()}, {m.begin(), m.end()}, {v.begin(), v.end()}};
      AdamWOptions options{.rate = 0.01, .weight_decay = 0.2, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-6};
      options.gradient_factor = 0.5f;
      Context context(2);
      for (options.step = 1; options.step <= 5; ++options.step) {
        std::vector<float> gradient = Random(n, static_cast<uint32_t>(10 + options.step));
        reference.Step(options, gradient);
        AdamW(context, options, {.w = w.data(), .gradient = gradient.data(), .m = m.data(), .v = v.data()}, n);
        EXPECT_EQ(gradient, std::vector<float>(w.size(), 0.0f));
      }
      for (size_t i = 0; i < w.size(); ++i) {
        ASSERT_NEAR(w[i], reference.w[i], 2e-6) << i << " of " << n;
        ASSERT_NEAR(m[i], reference.m[i], 1e-6) << i << " of " << n;
        ASSERT_NEAR(v[i], reference.v[i], 1e-6) << i << " of " << n;
      }
    }
  });
}

TEST(AdamW, DoesNotDependOnThreads) {
  const int64_t n = 100003;
  const std::vector<float> gradient = Random(n, 1);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    std::vector<float> w = Random(n, 2), g = gradient, m = Random(n, 3), v(w.size(), 0.25f);
    Context context(threads);
    AdamW(context, {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-6}, {w.data(), g.data(), m.data(), v.data()},
          n);
    results.push_back(std::move(w));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(SumOfSquares, ExactEnoughAndIndependentOfThreads) {
  ForEachTarget([] {
    for (const int64_t n : {0, 1, 7, 4096, 4097, 300000}) {
      const std::vector<float> x = Random(n, 1, 3.0f);
      double expected = 0;
      for (const float value : x) expected += static_cast<double>(value) * value;
      Context one(1), three(3);
      const double actual = SumOfSquares(one, x.data(), n);
      EXPECT_NEAR(actual, expected, 1e-6 * expected) << n;
      EXPECT_EQ(actual, SumOfSquares(three, x.data(), n)) << n;
    }
  });
}

TEST(SumOfSquares, ShowsWhatIsNotFinite) {
  Context context(1);
  for (const int64_t at : {0, 12, 999}) {
    std::vector<float> x = Random(1000, 1);
    x[static_cast<size_t>(at)] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(SumOfSquares(context, x.data(), 1000))) << at;
    x[static_cast<size_t>(at)] = -std::numeric_limits<float>::infinity();
    EXPECT_TRUE(std::isinf(SumOfSquares(context, x.data(), 1000))) << at;
  }
}

TEST(Lerp, MovesTowardsX) {
  ForEachTarget([] {
    for (const int64_t n : {0, 1, 9, 40001}) {
      const std::vector<float> x = Random(n, 1);
      std::vector<float> y = Random(n, 2), expected = y;
      for (size_t i = 0; i < y.size(); ++i) expected[i] += 0.125f * (x[i] - y[i]);
      Context context(2);
      Lerp(context, x.data(), 0.125f, y.data(), n);
      EXPECT_LT(MaxDifference(expected, y), 1e-6) << n;
    }
  });
}

}  // namespace
}  // namespace diptych::kernels
