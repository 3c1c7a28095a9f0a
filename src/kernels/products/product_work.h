// Private to kernels/.
#ifndef DIPTYCH_KERNELS_PRODUCTS_PRODUCT_WORK_H_
#define DIPTYCH_KERNELS_PRODUCTS_PRODUCT_WORK_H_

#include "core/context.h"

namespace diptych::kernels {

/// Bytes of an element of each matrix.
struct ElementSizes {
  double x = 4, w = 4, y = 4;
};

inline double BytesOf(Precision precision) {
  return precision == Precision::kF32 ? 4 : precision == Precision::kBF16 ? 2 : 1;
}

/// y (M, N) = x (M, K) W (K, N)
inline Work ProductWork(int64_t m, int64_t n, int64_t k, const ElementSizes& sizes = {}) {
  const double rows = static_cast<double>(m), columns = static_cast<double>(n), depth = static_cast<double>(k);
  return {.flops = 2 * rows * columns * depth,
          .bytes = rows * depth * sizes.x + depth * columns * sizes.w + rows * columns * sizes.y};
}

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_PRODUCT_WORK_H_
