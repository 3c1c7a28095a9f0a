// What happens to a tile of sums on its way out of a narrow product. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_NARROW_EPILOGUE_H_
#define DIPTYCH_KERNELS_PRODUCTS_NARROW_EPILOGUE_H_

#include <algorithm>
#include <cstdint>

#include "kernels/activation.h"

namespace diptych::kernels {

/// y = act(scale * (sums - offset) + bias + residual) of a tile; or of a whole product, of which the tiles are parts.
struct NarrowTile {
  int64_t rows = 0, columns = 0;
  const void* sums = nullptr;  // (rows, columns): fp32, or s32 with scales
  int64_t sums_stride = 0;     // between its rows
  // Of int8 products.
  const float* row_scales = nullptr;     // (rows); null: the sums are fp32
  const float* column_scales = nullptr;  // (columns)
  const int32_t* offsets = nullptr;      // (columns), what the zero point adds to each sum
  const float* bias = nullptr;           // (columns), or null
  const float* residual = nullptr;       // (rows, columns) with the stride of y, or null
  Activation activation = Activation::kNone;
  int64_t stride = 0;  // between rows of y and residual
  float* y = nullptr;  // one of the two
  uint16_t* brains = nullptr;
  float* largest = nullptr;  // (rows), the largest magnitude of each row's part; with `brains`, or null

  /// `count` rows from row `row` of a group of columns, all groups but the last `width` wide. The whole's `largest` is
  /// (groups, rows).
  NarrowTile Part(int64_t row, int64_t count, int64_t group, int64_t width, const void* its_sums,
                  int64_t its_stride) const {
    const int64_t first = group * width, at = row * stride + first;
    const auto offset = [](auto* pointer, int64_t by) { return pointer == nullptr ? nullptr : pointer + by; };
    return {.rows = count,
            .columns = std::min(width, columns - first),
            .sums = its_sums,
            .sums_stride = its_stride,
            .row_scales = offset(row_scales, row),
            .column_scales = offset(column_scales, first),
            .offsets = offset(offsets, first),
            .bias = offset(bias, first),
            .residual = offset(residual, at),
            .activation = activation,
            .stride = stride,
            .y = offset(y, at),
            .brains = offset(brains, at),
            .largest = offset(largest, group * rows + row)};
  }
};

/// Activations of tiles that go out as bf16 are approximate to some 1e-4 relative, below that type's rounding.
void FinishTile(const NarrowTile& tile);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_NARROW_EPILOGUE_H_
