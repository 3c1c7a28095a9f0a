// Operands in tiles. Private to kernels/, x86-64 alone.
#ifndef DIPTYCH_KERNELS_PRODUCTS_TILE_PACK_H_
#define DIPTYCH_KERNELS_PRODUCTS_TILE_PACK_H_

#include <cstddef>
#include <cstdint>

#include "kernels/rows.h"

namespace diptych::kernels {

/// A step is 64 bytes of K. Both operands lie in units of 32 rows of x, or of 32 columns of y (rows of W); in each unit
/// its steps; in each step two tiles. A row of a tile of x is 64 bytes of one of its rows; a row of a tile of W holds
/// one dword of each of 16 columns of y. What lies outside of the matrix is zero.
inline constexpr int64_t kTileUnit = 32;
inline constexpr int64_t kTileBytes = 1024;
inline constexpr int64_t kStepBytes = 64;
inline constexpr int64_t kUnitStep = 2 * kTileBytes;

inline int64_t StepsOf(int64_t row_bytes) {
  return (row_bytes + kStepBytes - 1) / kStepBytes;
}

/// Rows [row, row + count) of x.
void CopyRowsToTiles(const Rows& x, int64_t row, int64_t count, std::byte* out);

/// A matrix of fp32 on its way to tiles of bf16.
struct FloatMatrix {
  const float* data;
  int64_t rows, k;
  bool along_k;  // (rows, K), else (K, rows)

  int64_t steps() const { return StepsOf(k * 2); }
};

/// Rows [row, row + count) as x.
void ConvertRowsToTiles(const FloatMatrix& x, int64_t row, int64_t count, std::byte* out);
/// Rows [row, row + count) as W; `row` is a multiple of kTileUnit.
void ConvertColumnsToTiles(const FloatMatrix& w, int64_t row, int64_t count, std::byte* out);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_TILE_PACK_H_
