#include "kernels/activation.h"

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

// Comparisons, not Max and Min: these return the other operand for NaN on x86.
struct Relu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x);
  }
};

struct Relu6 {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V six = hn::Set(d, 6.0f);
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), hn::IfThenElse(hn::Gt(x, six), six, x));
  }
};

// x sigmoid(z)
template <class D, class V>
HWY_INLINE V TimesSigmoid(D d, V x, V z) {
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), Exp(d, hn::Neg(z))));
}

struct QuickGelu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return TimesSigmoid(d, x, hn::Mul(x, hn::Set(d, 1.702f)));
  }
};

struct Gelu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V half = hn::Mul(x, hn::Set(d, 0.5f));
    return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678118654752f))), half);
  }
};

// (1 + tanh(u)) / 2 = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3): without the cancellation at negative x.
struct GeluTanh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V cubic =
        hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715f * 1.5957691216057308f), hn::Set(d, 1.5957691216057308f));
    return TimesSigmoid(d, x, hn::Mul(x, cubic));
  }
};

template <class Op>
void Map(Op op, float* HWY_RESTRICT x, int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(op(d, hn::LoadU(d, x + i)), d, x + i);
  for (; i < n; ++i) hn::StoreU(op(one, hn::LoadU(one, x + i)), one, x + i);
}

void ActivateRange(Activation activation, float* x, int64_t n) {
  switch (activation) {
    case Activation::kNone: return;
    case Activation::kRelu: return Map(Relu(), x, n);
    case Activation::kRelu6: return Map(Relu6(), x, n);
    case Activation::kQuickGelu: return Map(QuickGelu(), x, n);
    case Activation::kGelu: return Map(Gelu(), x, n);
    case Activation::kGeluTanh: return Map(GeluTanh(), x, n);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(ActivateRange);

void Activate(Context& context, Activation activation, float* x, int64_t n) {
  if (activation == Activation::kNone) return;
  constexpr int64_t kGrain = 16384;  // 64 KB: some ten microseconds of work a piece
  ParallelFor(context, n, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(ActivateRange)(activation, x + begin, end - begin);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
