// Products of narrow operands on a processor's own unit for tiles of matrices (AMX). Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_TILE_GEMM_H_
#define DIPTYCH_KERNELS_PRODUCTS_TILE_GEMM_H_

#include "core/context.h"
#include "core/tensor.h"
#include "kernels/products/matmul.h"
#include "kernels/products/narrow_epilogue.h"
#include "kernels/rows.h"

namespace diptych::kernels {

/// Whether this CPU has such a unit, and the environment lets it be used.
bool HasTiles();

/// Columns of y whose sums are finished together.
inline constexpr int64_t kTileGroup = 128;

/// W (N, K) in bf16 or s8, in rows of `row_bytes`, packed for MultiplyTiles; padded with zeros.
Tensor PackTiles(const std::byte* w, int64_t n, int64_t row_bytes);

/// All of y = act(x Wᵀ + b + residual), x (M, K) in bf16, or in u8 with s8 weights; y without its sums, its `largest`
/// in groups of kTileGroup columns. REQUIRES: HasTiles().
void MultiplyTiles(Context& context, const Rows& x, const std::byte* tiles, const NarrowTile& y);

/// MatMul in bf16 where M, N, K > 0 and not both accumulate and residual. REQUIRES: HasTiles().
void TileMatMul(Context& context, const MatMulArgs& args);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_TILE_GEMM_H_
