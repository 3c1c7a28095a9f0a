// The activation functions on vectors, for whichever target is being compiled.
#if defined(DIPTYCH_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIPTYCH_KERNELS_ACTIVATION_INL_H_
#undef DIPTYCH_KERNELS_ACTIVATION_INL_H_
#else
#define DIPTYCH_KERNELS_ACTIVATION_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/activation.h"
#include "kernels/math_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

struct Identity {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return x;
  }
};

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

// Their derivatives. At a kink it is 0, and for NaN as for what is between the kinks, as in torch.
struct IdentityDerivative {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V) const {
    return hn::Set(d, 1.0f);
  }
};

struct ReluDerivative {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), hn::Set(d, 1.0f));
  }
};

struct Relu6Derivative {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const auto outside = hn::Or(hn::Le(x, hn::Zero(d)), hn::Ge(x, hn::Set(d, 6.0f)));
    return hn::IfThenZeroElse(outside, hn::Set(d, 1.0f));
  }
};

// Of x s(z): s + x z' s (1 - s), s = sigmoid(z). 1 - s as e^-z s: without the cancellation near 1. Beyond |z| = 64 it
// is 0 or 1 in fp32, and the factors would overflow.
template <class D, class V>
HWY_INLINE V TimesSigmoidDerivative(D d, V x, V z, V dz) {
  const V one = hn::Set(d, 1.0f);
  const V e = Exp(d, hn::Neg(z));
  const V s = hn::Div(one, hn::Add(one, e));
  const V inside = hn::MulAdd(hn::Mul(hn::Mul(x, dz), s), hn::Mul(e, s), s);
  const V saturated = hn::IfThenElseZero(hn::Gt(z, hn::Zero(d)), one);
  return hn::IfThenElse(hn::Ge(hn::Abs(z), hn::Set(d, 64.0f)), saturated, inside);
}

struct QuickGeluDerivative {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V slope = hn::Set(d, 1.702f);
    return TimesSigmoidDerivative(d, x, hn::Mul(x, slope), slope);
  }
};

// (1 + erf(x / sqrt(2))) / 2 + x e^(-x^2 / 2) / sqrt(2 pi)
struct GeluDerivative {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V half = hn::Set(d, 0.5f);
    const V distribution = hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678118654752f))), half);
    const V density = hn::Mul(hn::Set(d, 0.39894228040143268f), Exp(d, hn::Mul(hn::Mul(x, x), hn::Neg(half))));
    return hn::MulAdd(x, density, distribution);
  }
};

struct GeluTanhDerivative {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V c = hn::Set(d, 1.5957691216057308f), x2 = hn::Mul(x, x);
    const V z = hn::Mul(x, hn::MulAdd(x2, hn::Set(d, 0.044715f * 1.5957691216057308f), c));
    return TimesSigmoidDerivative(d, x, z, hn::MulAdd(x2, hn::Set(d, 3.0f * 0.044715f * 1.5957691216057308f), c));
  }
};

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DIPTYCH_KERNELS_ACTIVATION_INL_H_
