// The block of a matrix product that lives in registers, for whichever target is being compiled.
#if defined(DIPTYCH_KERNELS_REGISTER_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIPTYCH_KERNELS_REGISTER_BLOCK_INL_H_
#undef DIPTYCH_KERNELS_REGISTER_BLOCK_INL_H_
#else
#define DIPTYCH_KERNELS_REGISTER_BLOCK_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using V = hn::Vec<Floats>;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(Floats()));
constexpr int kTile = 2 * kLanes;  // columns of a block
constexpr int kBlock = 6;          // its rows: 12 sums, 2 vectors of b and 1 of a fill 15 of 16 registers

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

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DIPTYCH_KERNELS_REGISTER_BLOCK_INL_H_
