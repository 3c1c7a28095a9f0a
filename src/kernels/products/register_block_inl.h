// The block of a matrix product that lives in registers, for whichever target is being compiled.
#if defined(DIPTYCH_KERNELS_PRODUCTS_REGISTER_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIPTYCH_KERNELS_PRODUCTS_REGISTER_BLOCK_INL_H_
#undef DIPTYCH_KERNELS_PRODUCTS_REGISTER_BLOCK_INL_H_
#else
#define DIPTYCH_KERNELS_PRODUCTS_REGISTER_BLOCK_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using V = hn::Vec<Floats>;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(Floats()));
constexpr int kTile = 2 * kLanes;  // columns of a block
// Its rows. 16 registers hold 12 sums, 2 vectors of b and 1 of a; AVX-512's 32 hold twice the sums, so that less is
// loaded for each product: our own product then takes 0.85 of the time.
constexpr int kBlock = HWY_TARGET <= HWY_AVX3 ? 12 : 6;

struct Rows {
  const float* data;
  int64_t stride;
};

// acc[i][v] = sum over j < n of a[i * a_row + j * a_step] * b[j][v], i < kRows, v < kVectors.
template <int kRows, int kVectors>
HWY_INLINE void MultiplyBlock(const float* HWY_RESTRICT a, int64_t a_row, int64_t a_step, const Rows& b, int64_t n,
                              V (&acc)[kBlock][2]) {
  const Floats d;
  V sums[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT row = b.data;
  for (int64_t j = 0; j < n; ++j, row += b.stride, a += a_step) {
    V columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, row + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const V value = hn::Set(d, a[i * a_row]);
      for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(value, columns[v], sums[i][v]);
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) acc[i][v] = sums[i][v];
  }
}

// f(std::integral_constant<int, min(rows, kBlock)>()) for rows > 0: what a block's code wants to know when compiled.
template <int kMost = kBlock, class F>
HWY_INLINE void WithBlockRows(int64_t rows, const F& f) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return WithBlockRows<kMost - 1>(rows, f);
  }
  f(std::integral_constant<int, kMost>());
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DIPTYCH_KERNELS_PRODUCTS_REGISTER_BLOCK_INL_H_
