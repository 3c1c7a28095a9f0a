#include "kernels/adamw.h"

#include <cmath>

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adamw.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The options as the loop needs them, rounded to fp32 where torch rounds them.
struct Factors {
  explicit Factors(const AdamWOptions& options)
      : keep(static_cast<float>(1 - options.rate * options.weight_decay)),
        m_weight(static_cast<float>(1 - options.beta1)),
        beta2(static_cast<float>(options.beta2)),
        v_weight(static_cast<float>(1 - options.beta2)),
        rate(static_cast<float>(options.rate / (1 - std::pow(options.beta1, static_cast<double>(options.step))))),
        v_correction(static_cast<float>(std::sqrt(1 - std::pow(options.beta2, static_cast<double>(options.step))))),
        eps(static_cast<float>(options.eps)),
        gradient(options.gradient_factor) {}
  float keep, m_weight, beta2, v_weight, rate, v_correction, eps, gradient;
};

template <class D>
HWY_INLINE void UpdateAt(D d, const Factors& f, const AdamWArrays& arrays, int64_t i) {
  const auto gradient = hn::Mul(hn::LoadU(d, arrays.gradient + i), hn::Set(d, f.gradient));
  hn::StoreU(hn::Zero(d), d, arrays.gradient + i);
  auto m = hn::LoadU(d, arrays.m + i);
  m = hn::MulAdd(hn::Sub(gradient, m), hn::Set(d, f.m_weight), m);
  hn::StoreU(m, d, arrays.m + i);
  auto v = hn::Mul(hn::LoadU(d, arrays.v + i), hn::Set(d, f.beta2));
  v = hn::MulAdd(hn::Mul(gradient, gradient), hn::Set(d, f.v_weight), v);
  hn::StoreU(v, d, arrays.v + i);
  const auto deviation = hn::Add(hn::Div(hn::Sqrt(v), hn::Set(d, f.v_correction)), hn::Set(d, f.eps));
  const auto w = hn::Mul(hn::LoadU(d, arrays.w + i), hn::Set(d, f.keep));
  hn::StoreU(hn::Sub(w, hn::Div(hn::Mul(m, hn::Set(d, f.rate)), deviation)), d, arrays.w + i);
}

void UpdateRange(const AdamWOptions& options, const AdamWArrays& arrays, int64_t begin, int64_t end) {
  const Factors factors(options);
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) UpdateAt(d, factors, arrays, i);
  for (; i < end; ++i) UpdateAt(one, factors, arrays, i);
}

float SumOfSquaresOf(const float* HWY_RESTRICT x, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto x0 = hn::LoadU(d, x + i), x1 = hn::LoadU(d, x + i + lanes);
    const auto x2 = hn::LoadU(d, x + i + 2 * lanes), x3 = hn::LoadU(d, x + i + 3 * lanes);
    s0 = hn::MulAdd(x0, x0, s0);
    s1 = hn::MulAdd(x1, x1, s1);
    s2 = hn::MulAdd(x2, x2, s2);
    s3 = hn::MulAdd(x3, x3, s3);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

void LerpRange(const float* HWY_RESTRICT x, float t, float* HWY_RESTRICT y, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto weight = hn::Set(d, t);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto old = hn::LoadU(d, y + i);
    hn::StoreU(hn::MulAdd(hn::Sub(hn::LoadU(d, x + i), old), weight, old), d, y + i);
  }
  for (; i < n; ++i) y[i] += t * (x[i] - y[i]);
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {
namespace {

constexpr int64_t kGrain = 16384;  // four arrays of 64 KB: enough work for a piece, and they fit L2
constexpr int64_t kBlock = 4096;   // whose squares are summed in fp32, some 1e-6 relative; blocks in double

}  // namespace

HWY_EXPORT(UpdateRange);
HWY_EXPORT(SumOfSquaresOf);
HWY_EXPORT(LerpRange);

void AdamW(Context& context, const AdamWOptions& options, const AdamWArrays& arrays, int64_t n) {
  CHECK_GE(options.step, 1);
  ParallelFor(context, n, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(UpdateRange)(options, arrays, begin, end);
  });
}

double SumOfSquares(Context& context, const float* x, int64_t n) {
  const Arena::Scope scope(context.arena());
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  double* sums = context.arena().Allocate<double>(blocks);
  ParallelFor(context, blocks, kGrain / kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlock;
      sums[block] = static_cast<double>(HWY_DYNAMIC_DISPATCH(SumOfSquaresOf)(x + first, std::min(kBlock, n - first)));
    }
  });
  double sum = 0;
  for (int64_t block = 0; block < blocks; ++block) sum += sums[block];
  return sum;
}

void Lerp(Context& context, const float* x, float t, float* y, int64_t n) {
  ParallelFor(context, n, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(LerpRange)(x + begin, t, y + begin, end - begin);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
