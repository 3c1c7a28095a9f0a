#include "kernels/products/narrow_epilogue.h"

#include <algorithm>

#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/products/narrow_epilogue.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation_inl.h"
#include "kernels/brain_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

// e^x, some 1e-4 relative, for |x| < 87: 2^n times a polynomial of the fraction of x / ln 2.
template <class D, class V>
HWY_INLINE V RoughExp(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V bound = hn::Set(d, 87.0f);
  const V t = hn::Mul(hn::Min(hn::Max(x, hn::Neg(bound)), bound), hn::Set(d, 1.44269504f));
  const V n = hn::Round(t);
  const V r = hn::Sub(t, n);
  V p = hn::Set(d, 0.0558263f);  // minimax of 2^r on [-1/2, 1/2]
  p = hn::MulAdd(p, r, hn::Set(d, 0.2401536f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.6931531f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.9999893f));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::ConvertTo(di, n))));
}

// x sigmoid(z): one approximate reciprocal, refined once.
template <class D, class V>
HWY_INLINE V RoughTimesSigmoid(D d, V x, V z) {
  const V denominator = hn::Add(hn::Set(d, 1.0f), RoughExp(d, hn::Neg(z)));
  V inverse = hn::ApproximateReciprocal(denominator);
  inverse = hn::Mul(inverse, hn::NegMulAdd(denominator, inverse, hn::Set(d, 2.0f)));
  return hn::Mul(x, inverse);
}

struct RoughQuickGelu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return RoughTimesSigmoid(d, x, hn::Mul(x, hn::Set(d, 1.702f)));
  }
};

struct RoughGeluTanh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V c = hn::Set(d, 1.5957691216057308f);
    return RoughTimesSigmoid(d, x, hn::Mul(x, hn::MulAdd(hn::Mul(x, x), hn::Mul(c, hn::Set(d, 0.044715f)), c)));
  }
};

struct FloatSums {
  const float* sums;
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D d, int64_t i) const {
    return hn::LoadU(d, sums + i);
  }
};

struct ScaledSums {
  const int32_t* sums;
  const int32_t* offsets;
  const float* column_scales;
  float row_scale;
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D d, int64_t i) const {
    const hn::RebindToSigned<D> di;
    const auto centred = hn::Sub(hn::LoadU(di, sums + i), hn::LoadU(di, offsets + i));
    const auto scale = hn::Mul(hn::LoadU(d, column_scales + i), hn::Set(d, row_scale));
    return hn::Mul(hn::ConvertTo(d, centred), scale);
  }
};

// One vector, or one element, of a row.
template <class D, class Sums, class Op>
HWY_INLINE hn::Vec<D> Value(D d, const Sums& sums, const Op& op, const float* bias, const float* residual, int64_t i) {
  auto value = sums(d, i);
  if (bias != nullptr) value = hn::Add(value, hn::LoadU(d, bias + i));
  if (residual != nullptr) value = hn::Add(value, hn::LoadU(d, residual + i));
  return op(d, value);
}

template <class Sums, class Op>
HWY_INLINE void FinishRow(const NarrowTile& tile, int64_t row, const Sums& sums, const Op& op) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* bias = tile.bias;
  const float* residual = tile.residual == nullptr ? nullptr : tile.residual + row * tile.stride;
  int64_t i = 0;
  if (tile.y != nullptr) {
    float* y = tile.y + row * tile.stride;
    for (; i + lanes <= tile.columns; i += lanes) hn::StoreU(Value(d, sums, op, bias, residual, i), d, y + i);
    for (; i < tile.columns; ++i) hn::StoreU(Value(one, sums, op, bias, residual, i), one, y + i);
    return;
  }
  uint16_t* y = tile.brains + row * tile.stride;
  auto most = hn::Zero(d);
  auto last = hn::Zero(one);
  for (; i + lanes <= tile.columns; i += lanes) {
    const auto value = Value(d, sums, op, bias, residual, i);
    most = hn::Max(most, hn::Abs(value));
    StoreBrains(d, value, y + i);
  }
  for (; i < tile.columns; ++i) {
    const auto value = Value(one, sums, op, bias, residual, i);
    last = hn::Max(last, hn::Abs(value));
    StoreBrains(one, value, y + i);
  }
  if (tile.largest != nullptr) tile.largest[row] = std::max(hn::GetLane(hn::MaxOfLanes(d, most)), hn::GetLane(last));
}

template <class Op>
HWY_INLINE void Finish(const NarrowTile& tile, const Op& op) {
  for (int64_t row = 0; row < tile.rows; ++row) {
    if (tile.row_scales == nullptr) {
      FinishRow(tile, row, FloatSums{static_cast<const float*>(tile.sums) + row * tile.sums_stride}, op);
    } else {
      const ScaledSums sums{static_cast<const int32_t*>(tile.sums) + row * tile.sums_stride, tile.offsets,
                            tile.column_scales, tile.row_scales[row]};
      FinishRow(tile, row, sums, op);
    }
  }
}

void FinishTileNow(const NarrowTile& tile) {
  const bool rough = tile.brains != nullptr;
  switch (tile.activation) {
    case Activation::kNone: return Finish(tile, Identity());
    case Activation::kRelu: return Finish(tile, Relu());
    case Activation::kRelu6: return Finish(tile, Relu6());
    case Activation::kQuickGelu: return rough ? Finish(tile, RoughQuickGelu()) : Finish(tile, QuickGelu());
    case Activation::kGelu: return Finish(tile, Gelu());
    case Activation::kGeluTanh: return rough ? Finish(tile, RoughGeluTanh()) : Finish(tile, GeluTanh());
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(FinishTileNow);

void FinishTile(const NarrowTile& tile) {
  HWY_DYNAMIC_DISPATCH(FinishTileNow)(tile);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
