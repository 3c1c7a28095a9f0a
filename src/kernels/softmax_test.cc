#include "kernels/softmax.h"

#include <gtest/gtest.h>

#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

TEST(Softmax, MatchesTheReference) {
  ForEachTarget([] {
    for (const int64_t n : {1, 2, 5, 8, 9, 80, 1000}) {
      for (const float scale : {0.1f, 1.0f, 100.0f}) {
        std::vector<float> expected = Random(3 * n, 1, scale), actual = expected;
        reference::Softmax(expected.data(), 3, n);
        Softmax(actual.data(), 3, n);
        for (size_t i = 0; i < actual.size(); ++i) {
          // x - max is rounded to fp32, and e^x turns its absolute error into a relative one.
          const double rounding = 6e-8 * std::abs(std::log(expected[i] + 1e-37));
          EXPECT_NEAR(actual[i], expected[i], (1e-6 + rounding) * expected[i] + 1e-37) << n << " " << scale;
        }
      }
    }
  });
}

TEST(Softmax, MaskedValues) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x{-inf, 1.0f, -inf, 1.0f, -inf, -inf, -inf, -inf};
  Softmax(x.data(), 2, 4);
  EXPECT_EQ(x, (std::vector<float>{0.0f, 0.5f, 0.0f, 0.5f, 0.0f, 0.0f, 0.0f, 0.0f}));
  Softmax(nullptr, 0, 4);
}

TEST(Softmax, NanSpoilsItsRowAlone) {
  std::vector<float> x(24, 0.0f);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  Softmax(x.data(), 2, 12);
  EXPECT_TRUE(std::isnan(x[0]) && std::isnan(x[11]));
  EXPECT_NEAR(x[12], 1.0 / 12, 1e-7);
}

}  // namespace
}  // namespace diptych::kernels
