#include "kernels/softmax.h"

#include <algorithm>
#include <limits>

#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

void SoftmaxRow(float* HWY_RESTRICT x, int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float maximum = *std::max_element(x, x + n);
  if (maximum == -std::numeric_limits<float>::infinity()) {
    std::fill_n(x, n, 0.0f);  // everything masked
    return;
  }
  const auto shift = hn::Set(d, maximum);
  auto sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto e = Exp(d, hn::Sub(hn::LoadU(d, x + i), shift));
    sums = hn::Add(sums, e);
    hn::StoreU(e, d, x + i);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) {
    x[i] = hn::GetLane(Exp(one, hn::Set(one, x[i] - maximum)));
    sum += x[i];
  }
  const float inverse = 1.0f / sum;
  const auto inverse_lanes = hn::Set(d, inverse);
  for (i = 0; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), inverse_lanes), d, x + i);
  for (; i < n; ++i) x[i] *= inverse;
}

void SoftmaxRows(float* x, int64_t m, int64_t n) {
  for (int64_t row = 0; row < m; ++row) SoftmaxRow(x + row * n, n);
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(SoftmaxRows);

void Softmax(float* x, int64_t m, int64_t n) {
  if (n > 0) HWY_DYNAMIC_DISPATCH(SoftmaxRows)(x, m, n);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
