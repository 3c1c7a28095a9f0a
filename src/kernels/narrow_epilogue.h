// What happens to a tile of sums on its way out of a narrow product. Private to kernels/.
#ifndef DIPTYCH_KERNELS_NARROW_EPILOGUE_H_
#define DIPTYCH_KERNELS_NARROW_EPILOGUE_H_

#include <cstdint>

#include "kernels/activation.h"

namespace diptych::kernels {

/// y = act(scale * (sums - offset) + bias + residual) of a tile, C columns from column `first` of rows of N.
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
};

/// Activations of tiles that go out as bf16 are approximate to some 1e-4 relative, below that type's rounding.
void FinishTile(const NarrowTile& tile);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_NARROW_EPILOGUE_H_
