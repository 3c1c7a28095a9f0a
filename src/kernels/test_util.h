// Random numbers and comparisons for the tests of kernels/.
#ifndef DIPTYCH_KERNELS_TEST_UTIL_H_
#define DIPTYCH_KERNELS_TEST_UTIL_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "core/tensor.h"

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

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_TEST_UTIL_H_
