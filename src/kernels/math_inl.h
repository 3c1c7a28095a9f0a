// Vector exp and erf, for whichever target is being compiled. Highway's own (contrib/math, 1.0.3) has no erf, and its
// Exp turns NaN into 0.
#if defined(DIPTYCH_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIPTYCH_KERNELS_MATH_INL_H_
#undef DIPTYCH_KERNELS_MATH_INL_H_
#else
#define DIPTYCH_KERNELS_MATH_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// e^x, some 1e-7 relative where the result is a normal number. NaN stays NaN, +inf and overflow give +inf; results
/// below 2^-126 lose precision as subnormals do and end at 0.
template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  const hn::Rebind<int32_t, D> di;
  // Beyond these the result is inf or 0 in any case; the clamp keeps the exponent below in range. NaN passes: both
  // comparisons are false.
  const V low = hn::Set(d, -104.0f), high = hn::Set(d, 89.0f);
  x = hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, high), high, x));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.442695040888963f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);  // ln 2 in two parts: the first product is exact
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  // Cephes' expf: e^r = 1 + r + r^2 p(r) for |r| <= ln(2) / 2.
  V p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  // 2^n as two factors: n from -151 to 129 does not fit one exponent.
  const auto exponent = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(exponent);
  const auto bias = hn::Set(di, 127);
  const V scale1 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V scale2 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(exponent, half), bias)));
  return hn::Mul(hn::Mul(p, scale1), scale2);
}

/// erf(x), at most 2e-7 absolute, exactly +-1 from +-4 on (1 + erf must vanish there); NaN stays NaN. The rational
/// approximation of Eigen and XLA, x P(x^2) / Q(x^2) on [-4, 4].
template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  const V x2 = hn::Mul(x, x);
  V p = hn::Set(d, -2.72614225801306e-10f);
  p = hn::MulAdd(p, x2, hn::Set(d, 2.77068142495902e-08f));
  p = hn::MulAdd(p, x2, hn::Set(d, -2.10102402082508e-06f));
  p = hn::MulAdd(p, x2, hn::Set(d, -5.69250639462346e-05f));
  p = hn::MulAdd(p, x2, hn::Set(d, -7.34990630326855e-04f));
  p = hn::MulAdd(p, x2, hn::Set(d, -2.95459980854025e-03f));
  p = hn::MulAdd(p, x2, hn::Set(d, -1.60960333262415e-02f));
  V q = hn::Set(d, -1.45660718464996e-05f);
  q = hn::MulAdd(q, x2, hn::Set(d, -2.13374055278905e-04f));
  q = hn::MulAdd(q, x2, hn::Set(d, -1.68282697438203e-03f));
  q = hn::MulAdd(q, x2, hn::Set(d, -7.37332916720468e-03f));
  q = hn::MulAdd(q, x2, hn::Set(d, -1.42647390514189e-02f));
  const V one = hn::Set(d, 1.0f);
  return hn::IfThenElse(hn::Ge(hn::Abs(x), hn::Set(d, 4.0f)), hn::CopySign(one, x), hn::Mul(x, hn::Div(p, q)));
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DIPTYCH_KERNELS_MATH_INL_H_
