#include "core/check.h"
#include "kernels/products/tile_gemm.h"

namespace diptych::kernels {

bool HasTiles() {
  return false;
}

Tensor PackTiles(const std::byte*, int64_t, int64_t) {
  CHECK(false) << " no product of tiles on this processor";
}

void MultiplyTiles(Context&, const Rows&, const std::byte*, const NarrowTile&) {
  CHECK(false) << " no product of tiles on this processor";
}

void TileMatMul(Context&, const MatMulArgs&) {
  CHECK(false) << " no product of tiles on this processor";
}

}  // namespace diptych::kernels
