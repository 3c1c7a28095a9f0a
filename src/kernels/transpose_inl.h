// Rows into columns, four at a time, for whichever target is being compiled.
#if defined(DIPTYCH_KERNELS_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIPTYCH_KERNELS_TRANSPOSE_INL_H_
#undef DIPTYCH_KERNELS_TRANSPOSE_INL_H_
#else
#define DIPTYCH_KERNELS_TRANSPOSE_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/products/register_block_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

/// out[i * kStride + t] = in.data[t * in.stride + i] * scale for t < 4 and i < n.
template <int64_t kStride>
HWY_INLINE void TransposeFour(const Rows& in, int64_t n, float scale, float* HWY_RESTRICT out) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d;
  const auto scales = hn::Set(d, scale);
  for (; i + 4 <= n; i += 4) {
    const auto r0 = hn::Mul(hn::LoadU(d, in.data + i), scales);
    const auto r1 = hn::Mul(hn::LoadU(d, in.data + i + in.stride), scales);
    const auto r2 = hn::Mul(hn::LoadU(d, in.data + i + 2 * in.stride), scales);
    const auto r3 = hn::Mul(hn::LoadU(d, in.data + i + 3 * in.stride), scales);
    const auto even_low = hn::InterleaveLower(d, r0, r2), even_high = hn::InterleaveUpper(d, r0, r2);
    const auto odd_low = hn::InterleaveLower(d, r1, r3), odd_high = hn::InterleaveUpper(d, r1, r3);
    hn::StoreU(hn::InterleaveLower(d, even_low, odd_low), d, out + i * kStride);
    hn::StoreU(hn::InterleaveUpper(d, even_low, odd_low), d, out + (i + 1) * kStride);
    hn::StoreU(hn::InterleaveLower(d, even_high, odd_high), d, out + (i + 2) * kStride);
    hn::StoreU(hn::InterleaveUpper(d, even_high, odd_high), d, out + (i + 3) * kStride);
  }
#endif
  for (; i < n; ++i) {
    for (int t = 0; t < 4; ++t) out[i * kStride + t] = in.data[t * in.stride + i] * scale;
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DIPTYCH_KERNELS_TRANSPOSE_INL_H_
