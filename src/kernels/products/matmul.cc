#include "kernels/products/matmul.h"

#include <algorithm>

#include "kernels/convert.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"
#include "kernels/products/block_gemm.h"
#include "kernels/products/library_matmul.h"
#include "kernels/products/product_work.h"
#include "kernels/products/tile_gemm.h"
#include "kernels/row_groups.h"
#include "kernels/runtime.h"

namespace diptych::kernels {
namespace {

constexpr int64_t kGrain = 16384;

// As FasterProduct: on AVX-512 the library's batch-reduced GEMM; on AVX2 our own, which adds bias and residual where
// the library would make passes of their own over the product, and has nothing to build for a new number of rows.
bool LibraryIsFaster() {
  static const bool faster = LibraryImplementation(1600, 768, 768, Precision::kF32).starts_with("brg:");
  return faster;
}

// The sum of nothing, with what is added to it.
void AddWithoutProduct(const MatMulArgs& args) {
  if (!args.accumulate && args.residual != args.c) std::fill_n(args.c, args.m * args.n, 0.0f);
  if (args.residual != nullptr && args.residual != args.c) Add(args.residual, args.m * args.n, args.c);
  if (args.bias == nullptr) return;
  for (int64_t row = 0; row < args.m; ++row) Add(args.bias, args.n, args.c + row * args.n);
}

const float* RoundedCopy(Context& context, const float* x, int64_t n) {
  float* copy = context.arena().Allocate<float>(n);
  ParallelFor(context, n, kGrain,
              [&](int64_t begin, int64_t end) { RoundToBF16(x + begin, end - begin, copy + begin); });
  return copy;
}

}  // namespace

void MatMul(Context& context, const MatMulArgs& args) {
  CHECK(!args.accumulate || args.residual == nullptr || args.residual != args.c) << " C twice";
  if (args.m == 0 || args.n == 0) return;
  if (args.k == 0) return AddWithoutProduct(args);
  context.AddWork(ProductWork(args.m, args.n, args.k));
  const Arena::Scope scope(context.arena());
  MatMulArgs product = args;
  if (args.accumulate && args.residual != nullptr) {  // the products add one matrix only
    Add(args.residual, args.m * args.n, args.c);
    product.residual = nullptr;
  }
  const bool bf16 = context.precision() == Precision::kBF16;
  if (bf16 && HasTiles()) return TileMatMul(context, product);
  if (bf16 && HasFastBf16()) return LibraryMatMul(context, product, Precision::kBF16);
  if (bf16) {
    product.a = RoundedCopy(context, args.a, args.m * args.k);
    product.b = RoundedCopy(context, args.b, args.k * args.n);
  }
  if (LibraryIsFaster()) return LibraryMatMul(context, product, Precision::kF32);
  BlockMatMul(context, product);
}

void AddColumnSums(Context& context, const float* x, int64_t m, int64_t n, float* sums) {
  const RowGroups groups(m);
  const Arena::Scope scope(context.arena());
  float* partial = context.arena().Allocate<float>(groups.count * n);
  ParallelFor(context, groups.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* own = partial + i * n;
      std::fill_n(own, n, 0.0f);
      for (int64_t row = groups.Begin(i); row < groups.Begin(i + 1); ++row) Add(x + row * n, n, own);
    }
  });
  for (int64_t i = 0; i < groups.count; ++i) Add(partial + i * n, n, sums);
}

}  // namespace diptych::kernels
