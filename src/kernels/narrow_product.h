// One product of narrow operands, on its way through one of the two ways to compute it. Private to kernels/.
#ifndef DIPTYCH_KERNELS_NARROW_PRODUCT_H_
#define DIPTYCH_KERNELS_NARROW_PRODUCT_H_

#include <algorithm>

#include "kernels/narrow_epilogue.h"
#include "kernels/narrow_gemm.h"

namespace diptych::kernels {

/// y (M, N) = act(x Wᵀ + b + residual).
struct NarrowProduct {
  const Rows& x;
  int64_t m;
  const NarrowWeight& w;
  const Epilogue& epilogue;
  float* y;          // one of the two
  uint16_t* brains;  // y in bf16
  float* largest;    // (groups, M), the largest magnitudes of the rows' parts; with `brains`, or null

  int64_t Columns(int64_t group) const { return std::min(w.group, w.n - group * w.group); }

  /// `rows` rows of a group from row `row`, whose sums lie `sums_stride` elements apart.
  NarrowTile Tile(int64_t row, int64_t rows, int64_t group, const void* sums, int64_t sums_stride) const {
    const int64_t first = group * w.group, at = row * w.n + first;
    const bool scaled = w.precision == Precision::kInt8;
    return {.rows = rows,
            .columns = Columns(group),
            .sums = sums,
            .sums_stride = sums_stride,
            .row_scales = scaled ? x.scales + row : nullptr,
            .column_scales = scaled ? w.scales.data() + first : nullptr,
            .offsets = scaled ? w.offsets.data() + first : nullptr,
            .bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + first,
            .residual = epilogue.residual == nullptr ? nullptr : epilogue.residual + at,
            .activation = epilogue.activation,
            .stride = w.n,
            .y = y == nullptr ? nullptr : y + at,
            .brains = brains == nullptr ? nullptr : brains + at,
            .largest = largest == nullptr ? nullptr : largest + group * m + row};
  }
};

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_NARROW_PRODUCT_H_
