#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Sum of f(x[i]) with four vectors of partial sums: short chains of additions, and small rounding errors.
template <class F>
HWY_INLINE float SumOf(const F& f, const float* HWY_RESTRICT x, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = f(d, hn::LoadU(d, x + i), s0);
    s1 = f(d, hn::LoadU(d, x + i + lanes), s1);
    s2 = f(d, hn::LoadU(d, x + i + 2 * lanes), s2);
    s3 = f(d, hn::LoadU(d, x + i + 3 * lanes), s3);
  }
  for (; i + lanes <= n; i += lanes) s0 = f(d, hn::LoadU(d, x + i), s0);
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) sum = hn::GetLane(f(one, hn::LoadU(one, x + i), hn::Set(one, sum)));
  return sum;
}

struct PlainSum {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x, V sum) const {
    return hn::Add(sum, x);
  }
};

struct SquaredDeviations {
  float mean;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V sum) const {
    const V deviation = hn::Sub(x, hn::Set(d, mean));
    return hn::MulAdd(deviation, deviation, sum);
  }
};

// Two passes over a row that the first one brings into L1: as exact as torch's, where sum(x^2) - mean^2 cancels.
void NormalizeRows(const float* x, int64_t m, int64_t width, const LayerNormParams& params, float* y) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float inverse_width = 1.0f / static_cast<float>(width);
  for (int64_t row = 0; row < m; ++row, x += width, y += width) {
    const float mean = SumOf(PlainSum(), x, width) * inverse_width;
    const float variance = SumOf(SquaredDeviations{mean}, x, width) * inverse_width;
    const float scale = 1.0f / std::sqrt(variance + params.eps);
    const auto mean_lanes = hn::Set(d, mean), scale_lanes = hn::Set(d, scale);
    int64_t i = 0;
    for (; i + lanes <= width; i += lanes) {
      const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, x + i), mean_lanes), scale_lanes);
      hn::StoreU(hn::MulAdd(normal, hn::LoadU(d, params.gamma + i), hn::LoadU(d, params.beta + i)), d, y + i);
    }
    for (; i < width; ++i) y[i] = (x[i] - mean) * scale * params.gamma[i] + params.beta[i];
  }
}

void NormalizeLengths(float* x, int64_t m, int64_t width) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t row = 0; row < m; ++row, x += width) {
    const float length = std::sqrt(SumOf(SquaredDeviations{0.0f}, x, width));
    const float scale = 1.0f / std::max(length, 1e-12f);
    const auto scale_lanes = hn::Set(d, scale);
    int64_t i = 0;
    for (; i + lanes <= width; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), scale_lanes), d, x + i);
    for (; i < width; ++i) x[i] *= scale;
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(NormalizeRows);
HWY_EXPORT(NormalizeLengths);

void LayerNorm(Context& context, const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y) {
  CHECK_GT(d, 0);
  const int64_t grain = std::max<int64_t>(1, 16384 / d);
  ParallelFor(context, m, grain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(NormalizeRows)(x + begin * d, end - begin, d, params, y + begin * d);
  });
}

void L2Normalize(float* x, int64_t m, int64_t d) {
  HWY_DYNAMIC_DISPATCH(NormalizeLengths)(x, m, d);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
