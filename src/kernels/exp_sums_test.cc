#include "kernels/exp_sums.h"

#include <gtest/gtest.h>

#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

TEST(LogSumExp, MatchesDoublePrecision) {
  ForEachTarget([] {
    for (const int64_t n : {1, 7, 8, 33, 4099}) {
      for (const float factor : {1.0f, 0.5f, 2.5f}) {
        std::vector<float> x = Random(n, 1, 20.0f);
        for (float& value : x) value -= 150.0f;  // exponentials alone would all be zero
        const auto largest = static_cast<double>(*std::max_element(x.begin(), x.end()));
        double sum = 0;
        for (const float value : x) sum += std::exp(static_cast<double>(factor) * (value - largest));
        const double expected = static_cast<double>(factor) * largest + std::log(sum);
        EXPECT_NEAR(LogSumExp(x.data(), n, factor), expected, 2e-6) << n << " " << factor;
      }
    }
  });
  EXPECT_EQ(LogSumExp(nullptr, 0, 1), -std::numeric_limits<double>::infinity());
}

TEST(LogSumExp, NaNIsNeverLost) {
  ForEachTarget([] {
    for (const size_t at : {0u, 5u, 8u, 18u}) {
      std::vector<float> x = Random(19, 1);
      x[at] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(LogSumExp(x.data(), 19, 1))) << at;
    }
  });
}

TEST(AddExp, MatchesDoublePrecision) {
  ForEachTarget([] {
    for (const int64_t n : {0, 1, 7, 8, 33, 1001}) {
      const std::vector<float> x = Random(n, 1, 3.0f), shifts = Random(n, 2), weights = Random(n, 3);
      for (const bool arrays : {false, true}) {
        const ExpTerm term{.weight = 0.75f,
                           .weights = arrays ? weights.data() : nullptr,
                           .factor = 1.5f,
                           .shift = 0.25f,
                           .shifts = arrays ? shifts.data() : nullptr};
        std::vector<float> y = Random(n, 4);
        const std::vector<float> before = y;
        AddExp(term, x.data(), n, y.data());
        for (size_t i = 0; i < y.size(); ++i) {
          const double e = std::exp(1.5 * x[i] - 0.25 - (arrays ? shifts[i] : 0));
          const double expected = before[i] + 0.75 * (arrays ? weights[i] : 1) * e;
          EXPECT_NEAR(y[i], expected, 2e-6 * (1 + e)) << i << " of " << n;
        }
      }
    }
  });
}

}  // namespace
}  // namespace diptych::kernels
