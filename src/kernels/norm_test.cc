#include "kernels/norm.h"

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

}  // namespace
}  // namespace diptych::kernels
