#include "kernels/convert.h"

#include <cstring>

#include "core/half.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/convert.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/brain_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Loads go through bytes: a safetensors file aligns nothing.
template <class T>
HWY_INLINE T LoadScalar(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

struct FromHalf {
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D d, const uint16_t* x) const {
    const hn::Rebind<hwy::float16_t, D> dh;
    const hn::RebindToUnsigned<D> d32;
    const auto halves = hn::Load(hn::Rebind<uint16_t, D>(), x);
    const auto finite = hn::PromoteTo(d, hn::BitCast(dh, halves));
    // Highway 1.0.3 makes finite numbers of infinity and NaN where the CPU has no instruction for the conversion.
    const auto bits = hn::PromoteTo(d32, halves);
    const auto exponent = hn::Set(d32, 0x7c00u);
    const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(d32, 0x8000u)));
    const auto fraction = hn::ShiftLeft<13>(hn::And(bits, hn::Set(d32, 0x03ffu)));
    const auto special = hn::Or(hn::Or(sign, fraction), hn::Set(d32, 0x7f800000u));
    const auto is_special = hn::Eq(hn::And(bits, exponent), exponent);
    return hn::IfThenElse(hn::RebindMask(d, is_special), hn::BitCast(d, special), finite);
  }
  float operator()(uint16_t x) const { return HalfToFloat(x); }
};

struct FromBrain {
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D d, const uint16_t* x) const {
    const hn::RebindToUnsigned<D> d32;
    const auto bits = hn::PromoteTo(d32, hn::Load(hn::Rebind<uint16_t, D>(), x));
    return hn::BitCast(d, hn::ShiftLeft<16>(bits));
  }
  float operator()(uint16_t x) const { return BFloat16ToFloat(x); }
};

// A block at a time through an aligned buffer that stays in L1.
template <class Convert>
HWY_INLINE void Widen(const Convert& convert, const uint8_t* x, int64_t n, float* HWY_RESTRICT y) {
  constexpr int64_t kBlock = 256;
  alignas(64) uint16_t block[kBlock];
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    std::memcpy(block, x + 2 * i, sizeof(block));
    for (int64_t j = 0; j < kBlock; j += lanes) hn::StoreU(convert(d, block + j), d, y + i + j);
  }
  for (; i < n; ++i) y[i] = convert(LoadScalar<uint16_t>(x + 2 * i));
}

void HalvesToFloats(const uint8_t* x, int64_t n, float* y) {
  Widen(FromHalf(), x, n, y);
}
void BrainsToFloats(const uint8_t* x, int64_t n, float* y) {
  Widen(FromBrain(), x, n, y);
}

void DoublesToFloats(const uint8_t* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(LoadScalar<double>(x + 8 * i));
}

void RoundToBrains(const float* x, int64_t n, float* y) {
  const hn::ScalableTag<float> d;
  const auto kept = hn::Set(hn::RebindToUnsigned<decltype(d)>(), 0xffff0000u);
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::BitCast(d, hn::And(RoundedBits(d, hn::LoadU(d, x + i)), kept)), d, y + i);
  }
  for (; i < n; ++i) y[i] = BFloat16ToFloat(FloatToBFloat16(x[i]));
}

// Through an aligned buffer, as Widen.
void FloatsToBrains(const float* x, int64_t n, uint8_t* y) {
  constexpr int64_t kBlock = 256;
  alignas(64) uint16_t block[kBlock];
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<uint16_t, decltype(d)> dh;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    for (int64_t j = 0; j < kBlock; j += lanes) {
      const auto upper = hn::ShiftRight<16>(RoundedBits(d, hn::LoadU(d, x + i + j)));
      hn::Store(hn::DemoteTo(dh, hn::BitCast(di, upper)), dh, block + j);
    }
    std::memcpy(y + 2 * i, block, sizeof(block));
  }
  for (; i < n; ++i) {
    const uint16_t value = FloatToBFloat16(x[i]);
    std::memcpy(y + 2 * i, &value, sizeof(value));
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(HalvesToFloats);
HWY_EXPORT(BrainsToFloats);
HWY_EXPORT(DoublesToFloats);
HWY_EXPORT(RoundToBrains);
HWY_EXPORT(FloatsToBrains);

void ToFloat(TensorView x, float* y) {
  const auto* bytes = static_cast<const uint8_t*>(x.raw());
  const int64_t n = x.NumElements();
  switch (x.dtype()) {
    case DType::kF32: std::memcpy(y, bytes, x.SizeBytes()); return;
    case DType::kF16: HWY_DYNAMIC_DISPATCH(HalvesToFloats)(bytes, n, y); return;
    case DType::kBF16: HWY_DYNAMIC_DISPATCH(BrainsToFloats)(bytes, n, y); return;
    case DType::kF64: HWY_DYNAMIC_DISPATCH(DoublesToFloats)(bytes, n, y); return;
    default: CHECK(false) << " no conversion from " << x.dtype() << " to fp32";
  }
}

void FromFloat(const float* x, int64_t n, DType dtype, void* y) {
  auto* halves = static_cast<uint8_t*>(y);
  if (dtype == DType::kBF16) return HWY_DYNAMIC_DISPATCH(FloatsToBrains)(x, n, halves);
  CHECK(dtype == DType::kF16) << " no conversion from fp32 to " << dtype;
  for (int64_t i = 0; i < n; ++i) {  // scalar: this is for saving, where the disk is slower
    const uint16_t value = FloatToHalf(x[i]);
    std::memcpy(halves + 2 * i, &value, sizeof(value));
  }
}

void RoundToBF16(const float* x, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(RoundToBrains)(x, n, y);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
