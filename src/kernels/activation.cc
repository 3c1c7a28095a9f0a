#include "kernels/activation.h"

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

// y may be x.
template <class Op>
void Map(Op op, const float* x, int64_t n, float* y) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(op(d, hn::LoadU(d, x + i)), d, y + i);
  for (; i < n; ++i) hn::StoreU(op(one, hn::LoadU(one, x + i)), one, y + i);
}

void ActivateRange(Activation activation, const float* x, int64_t n, float* y) {
  switch (activation) {
    case Activation::kNone: return Map(Identity(), x, n, y);
    case Activation::kRelu: return Map(Relu(), x, n, y);
    case Activation::kRelu6: return Map(Relu6(), x, n, y);
    case Activation::kQuickGelu: return Map(QuickGelu(), x, n, y);
    case Activation::kGelu: return Map(Gelu(), x, n, y);
    case Activation::kGeluTanh: return Map(GeluTanh(), x, n, y);
  }
}

// dx may be dy.
template <class Op>
void MapBackward(Op derivative, const float* x, const float* dy, int64_t n, float* dx) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, dy + i), derivative(d, hn::LoadU(d, x + i))), d, dx + i);
  }
  for (; i < n; ++i) hn::StoreU(hn::Mul(hn::LoadU(one, dy + i), derivative(one, hn::LoadU(one, x + i))), one, dx + i);
}

void ActivateBackwardRange(Activation activation, const float* x, const float* dy, int64_t n, float* dx) {
  switch (activation) {
    case Activation::kNone: return MapBackward(IdentityDerivative(), x, dy, n, dx);
    case Activation::kRelu: return MapBackward(ReluDerivative(), x, dy, n, dx);
    case Activation::kRelu6: return MapBackward(Relu6Derivative(), x, dy, n, dx);
    case Activation::kQuickGelu: return MapBackward(QuickGeluDerivative(), x, dy, n, dx);
    case Activation::kGelu: return MapBackward(GeluDerivative(), x, dy, n, dx);
    case Activation::kGeluTanh: return MapBackward(GeluTanhDerivative(), x, dy, n, dx);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {
namespace {

constexpr int64_t kGrain = 16384;  // 64 KB: some ten microseconds of work a piece

}  // namespace

HWY_EXPORT(ActivateRange);
HWY_EXPORT(ActivateBackwardRange);

void Activate(Context& context, Activation activation, float* x, int64_t n) {
  if (activation != Activation::kNone) Activate(context, activation, x, n, x);
}

void Activate(Context& context, Activation activation, const float* x, int64_t n, float* y) {
  ParallelFor(context, n, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(ActivateRange)(activation, x + begin, end - begin, y + begin);
  });
}

void ActivateBackward(Context& context, Activation activation, const float* x, const float* dy, int64_t n, float* dx) {
  ParallelFor(context, n, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(ActivateBackwardRange)(activation, x + begin, dy + begin, end - begin, dx + begin);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
