#include "kernels/resample_weights.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace diptych::kernels {
namespace {

// The expressions below are Pillow's to the last operation, because a weight that differs in its last bit can round to
// another fixed-point number.
double Box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double Bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double Hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= M_PI;
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));
}

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// PyTorch's cubic_convolution1 and 2.
double TorchBicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2.0) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0.0;
}

double Sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return std::sin(x) / x;
}

double Lanczos(double x) {
  return -3.0 <= x && x < 3.0 ? Sinc(x) * Sinc(x / 3) : 0.0;
}

struct FilterShape {
  double (*value)(double);
  double support;
};

FilterShape ShapeOf(Filter filter, Resampler resampler) {
  if (resampler == Resampler::kTorch) {
    CHECK(filter == Filter::kBilinear || filter == Filter::kBicubic);
    if (filter == Filter::kBicubic) return {TorchBicubic, 2.0};
  }
  switch (filter) {
    case Filter::kBox: return {Box, 0.5};
    case Filter::kBilinear: return {Bilinear, 1.0};
    case Filter::kHamming: return {Hamming, 1.0};
    case Filter::kBicubic: return {Bicubic, 2.0};
    case Filter::kLanczos: return {Lanczos, 3.0};
    case Filter::kNearest: break;
  }
  CHECK(false) << "the nearest filter has no weights";
  return {};
}

}  // namespace

AxisWeights ComputeAxisWeights(int in_size, const AxisWindow& window, Filter filter, Resampler resampler) {
  const FilterShape shape = ShapeOf(filter, resampler);
  const double scale = static_cast<double>(in_size) / window.out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = shape.support * filter_scale;
  const double inverse = 1.0 / filter_scale;

  AxisWeights axis;
  axis.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  axis.begin.resize(window.count);
  axis.taps.resize(window.count);
  axis.weights.assign(static_cast<size_t>(window.count) * axis.stride, 0.0);
  for (int i = 0; i < window.count; ++i) {
    const double center = (window.first + i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int taps = std::min(static_cast<int>(center + support + 0.5), in_size) - begin;
    double* weights = &axis.weights[static_cast<size_t>(i) * axis.stride];
    double sum = 0.0;
    for (int t = 0; t < taps; ++t) {
      weights[t] = shape.value((t + begin - center + 0.5) * inverse);
      sum += weights[t];
    }
    for (int t = 0; t < taps && sum != 0.0; ++t) weights[t] /= sum;
    axis.begin[i] = begin;
    axis.taps[i] = taps;
  }
  return axis;
}

int TorchWeightBits(int in_size, int out_size, Filter filter) {
  // Beyond so many outputs every phase of the filter has been met; no picture that fits into memory comes near.
  constexpr int kEnough = 1 << 16;
  const AxisWeights axis = ComputeAxisWeights(in_size, {out_size, 0, std::min(out_size, kEnough)}, filter,
                                              Resampler::kTorch);
  const double largest = *std::max_element(axis.weights.begin(), axis.weights.end());
  int bits = 0;
  while (bits < kWeightBits && static_cast<int>(0.5 + largest * (1 << (bits + 1))) < 1 << 15) ++bits;
  return bits;
}

}  // namespace diptych::kernels
