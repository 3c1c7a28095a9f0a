#include "kernels/exp_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/exp_sums.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

// NaN in x may or may not be the result; the sum of exponentials is NaN then in any case.
float LargestOf(const float* HWY_RESTRICT x, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto largest = hn::Set(d, -std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) largest = hn::Max(largest, hn::LoadU(d, x + i));
  float result = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (; i < n; ++i) result = std::max(result, x[i]);
  return result;
}

double LogSumExpOf(const float* HWY_RESTRICT x, int64_t n, float factor) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float largest = LargestOf(x, n);
  const auto shift = hn::Set(d, largest), scale = hn::Set(d, factor);
  auto sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    sums = hn::Add(sums, Exp(d, hn::Mul(hn::Sub(hn::LoadU(d, x + i), shift), scale)));
  }
  double sum = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sums)));
  for (; i < n; ++i) sum += static_cast<double>(hn::GetLane(Exp(one, hn::Set(one, (x[i] - largest) * factor))));
  return static_cast<double>(factor) * static_cast<double>(largest) + std::log(sum);
}

template <class D>
HWY_INLINE void AddExpAt(D d, const ExpTerm& term, const float* x, float* y, int64_t i) {
  auto shift = hn::Set(d, term.shift), weight = hn::Set(d, term.weight);
  if (term.shifts != nullptr) shift = hn::Add(shift, hn::LoadU(d, term.shifts + i));
  if (term.weights != nullptr) weight = hn::Mul(weight, hn::LoadU(d, term.weights + i));
  const auto e = Exp(d, hn::MulSub(hn::LoadU(d, x + i), hn::Set(d, term.factor), shift));
  hn::StoreU(hn::MulAdd(weight, e, hn::LoadU(d, y + i)), d, y + i);
}

void AddExpRange(const ExpTerm& term, const float* HWY_RESTRICT x, int64_t n, float* HWY_RESTRICT y) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) AddExpAt(d, term, x, y, i);
  for (; i < n; ++i) AddExpAt(one, term, x, y, i);
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(LogSumExpOf);
HWY_EXPORT(AddExpRange);

double LogSumExp(const float* x, int64_t n, float factor) {
  if (n == 0) return -std::numeric_limits<double>::infinity();
  return HWY_DYNAMIC_DISPATCH(LogSumExpOf)(x, n, factor);
}

void AddExp(const ExpTerm& term, const float* x, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(AddExpRange)(term, x, n, y);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
