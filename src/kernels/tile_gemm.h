// Products of narrow operands on a processor's own unit for tiles of matrices (AMX). Private to kernels/.
#ifndef DIPTYCH_KERNELS_TILE_GEMM_H_
#define DIPTYCH_KERNELS_TILE_GEMM_H_

#include "core/context.h"
#include "core/tensor.h"
#include "kernels/narrow_product.h"

namespace diptych::kernels {

/// Whether this CPU has such a unit, and the environment lets it be used.
bool HasTiles();

/// Columns of y whose sums are finished together.
inline constexpr int64_t kTileGroup = 128;

/// W (N, K) in bf16 or s8, in rows of `row_bytes`, packed for MultiplyTiles; padded with zeros.
Tensor PackTiles(const std::byte* w, int64_t n, int64_t row_bytes);

/// REQUIRES: HasTiles(), and a weight whose groups are of kTileGroup columns.
void MultiplyTiles(Context& context, const NarrowProduct& product);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_TILE_GEMM_H_
