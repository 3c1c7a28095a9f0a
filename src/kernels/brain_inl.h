// bf16 on vectors, for whichever target is being compiled.
#if defined(DIPTYCH_KERNELS_BRAIN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIPTYCH_KERNELS_BRAIN_INL_H_
#undef DIPTYCH_KERNELS_BRAIN_INL_H_
#else
#define DIPTYCH_KERNELS_BRAIN_INL_H_
#endif

#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The bits of a value with those of bf16 rounded, as FloatToBFloat16: half a unit is added, one less where the last
/// kept bit is even. NaN gets its quiet bit. The lower 16 bits are meaningless.
template <class D, class V>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> RoundedBits(D, V value) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::Add(hn::Add(bits, hn::Set(du, 0x7fffu)), odd);
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000u));
  return hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(value)), quiet, rounded);
}

template <class D, class V>
HWY_INLINE void StoreBrains(D d, V value, uint16_t* y) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint16_t, D> dh;
  const auto upper = hn::ShiftRight<16>(RoundedBits(d, value));
  hn::StoreU(hn::DemoteTo(dh, hn::BitCast(di, upper)), dh, y);
}

template <class D>
HWY_INLINE hn::Vec<D> LoadBrains(D d, const uint16_t* x) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::PromoteTo(du, hn::LoadU(hn::Rebind<uint16_t, D>(), x));
  return hn::BitCast(d, hn::ShiftLeft<16>(bits));
}

/// Two bf16 in each word: the first in its lower half.
template <class D>
HWY_INLINE hn::Vec<D> LoadPairs(D du, const uint16_t* x) {
  if constexpr (HWY_TARGET == HWY_SCALAR) {
    uint32_t word;
    std::memcpy(&word, x, sizeof(word));
    return hn::Set(du, word);
  } else {
    return hn::LoadU(du, reinterpret_cast<const uint32_t*>(x));
  }
}

template <class D>
HWY_INLINE void StorePairs(D du, hn::Vec<D> pairs, uint16_t* y) {
  if constexpr (HWY_TARGET == HWY_SCALAR) {
    const uint32_t word = hn::GetLane(pairs);
    std::memcpy(y, &word, sizeof(word));
  } else {
    hn::StoreU(pairs, du, reinterpret_cast<uint32_t*>(y));
  }
}

/// The first and the second of each pair.
template <class D>
HWY_INLINE hn::Vec<D> FirstOfPairs(D d, hn::Vec<hn::RebindToUnsigned<D>> pairs) {
  return hn::BitCast(d, hn::ShiftLeft<16>(pairs));
}
template <class D>
HWY_INLINE hn::Vec<D> SecondOfPairs(D d, hn::Vec<hn::RebindToUnsigned<D>> pairs) {
  return hn::BitCast(d, hn::And(pairs, hn::Set(hn::RebindToUnsigned<D>(), 0xffff0000u)));
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DIPTYCH_KERNELS_BRAIN_INL_H_
