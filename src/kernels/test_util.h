// Random numbers, instruction sets and comparisons for the tests of kernels/.
#ifndef DIPTYCH_KERNELS_TEST_UTIL_H_
#define DIPTYCH_KERNELS_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

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
