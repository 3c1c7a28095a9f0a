// Random numbers, instruction sets and comparisons for the tests of kernels/.
#ifndef DIPTYCH_KERNELS_TEST_UTIL_H_
#define DIPTYCH_KERNELS_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "core/check.h"
#include "core/tensor.h"
#include "kernels/simd_targets.h"
// After simd_targets.h, which says what it is compiled for.
#include "hwy/targets.h"

namespace diptych::kernels {

inline std::vector<float> Random(int64_t n, uint32_t seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = normal(engine);
  return values;
}

inline TensorView View(const std::vector<float>& values, Shape shape) {
  CHECK_EQ(static_cast<int64_t>(values.size()), shape.NumElements());
  return TensorView(values.data(), DType::kF32, shape);
}

/// Largest |a - b|; infinity where the sizes differ or either is NaN.
inline double MaxDifference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0.0;
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, difference);
  }
  return worst;
}

/// d(sum of dy * f(x)) / dx[i] by a central difference. f maps values to values (of dy's size), in double precision
/// inside: then it is off by some 1e-5 of the sum's scale.
template <class F>
double NumericDerivative(std::vector<float> x, size_t i, const std::vector<float>& dy, const F& f) {
  const auto sum = [&] {
    const std::vector<float> y = f(x);
    CHECK_EQ(y.size(), dy.size());
    double total = 0.0;
    for (size_t j = 0; j < y.size(); ++j) total += static_cast<double>(y[j]) * dy[j];
    return total;
  };
  const float at = x[i], above = at + 0.01f, below = at - 0.01f;
  x[i] = above;
  const double high = sum();
  x[i] = below;
  return (high - sum()) / (static_cast<double>(above) - below);
}

/// Runs f once for every instruction set that this CPU has and our kernels are compiled for. What is packed in f must
/// be used in f.
template <class F>
void ForEachTarget(const F& f) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    SCOPED_TRACE(hwy::TargetName(target));
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_TEST_UTIL_H_
