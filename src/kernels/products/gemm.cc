#include "kernels/products/gemm.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "kernels/conv/conv_descs.h"
#include "kernels/products/narrow_gemm.h"
#include "kernels/products/packed_weight_impl.h"
#include "kernels/products/product.h"
#include "kernels/products/product_work.h"

namespace diptych::kernels {
namespace {

using dnnl::memory;
constexpr auto kF32 = memory::data_type::f32;
constexpr int64_t kNominalRows = 256;  // the library is asked at this size which kernel and layout it prefers

PlanPrimitive MatmulPlanner(int64_t n, int64_t k) {
  return [n, k](const PrimitiveKey& key, const memory::desc& weights) {
    const memory::desc x({key.h, k}, kF32, memory::format_tag::ab);
    const memory::desc y({key.h, n}, kF32, memory::format_tag::ab);
    const memory::desc bias = key.bias ? memory::desc({1, n}, kF32, memory::format_tag::ab) : memory::desc();
    const dnnl::matmul::primitive_desc desc(Engine(), x, weights, bias, y, AttributesOf(key), true);
    return PrimitivePlan{desc, [desc] { return dnnl::matmul(desc); }};
  };
}

// The rows of the library's next piece of a product with `rows` left. A primitive is planned for one number of rows,
// and text brings all of them, so that beyond 128 rows only multiples of 64 have primitives of their own, up to 2048,
// and a last piece of 64 to 127 rows takes the rest: fewer would be bound by reading the weights. This keeps a
// weight's primitives under 160 for each kind of epilogue, and a fixed shape of a multiple of 64 rows is one piece.
int64_t NextPiece(int64_t rows) {
  constexpr int64_t kUnit = 64, kLargest = 2048;
  if (rows < 2 * kUnit) return rows;
  if (rows % kUnit == 0) return std::min(rows, kLargest);
  return std::min((rows / kUnit - 1) * kUnit, kLargest);
}

}  // namespace

// Decided by the implementation that the library answers with. On AVX-512 its matmul is a batch-reduced GEMM on packed
// weights ("brg:avx512_core"), in one layout for all row counts. On AVX2, oneDNN 3.2 has only "gemm:jit", which packs
// the weights anew in each call: 0.9 of the peak at 1,600 rows, but 0.3 to 0.4 for up to 257. Its pointwise convolution
// over a map of M x 1 pixels is the same sum ("brgconv_1x1:avx2") and is the fastest for few rows, but it wants the
// weight in one of four layouts that alternate with M every few rows and refuses the others: text, which brings any M,
// would need up to four copies of each weight. Our own product has one layout, builds nothing for a new M, and reaches
// 0.88 to 0.98 of the peak from 7 rows on; docs/numerics.md has the figures.
Product FasterProduct(int64_t n, int64_t k) {
  const ScopedTeam team(1);
  Product faster = Product::kBlocks;
  CheckedDnnl([&] {
    const PrimitiveKey nominal{.h = kNominalRows, .bias = true};
    const PrimitivePlan plan = MatmulPlanner(n, k)(nominal, {{k, n}, kF32, memory::format_tag::any});
    const std::string_view name = plan.desc ? plan.desc.impl_info_str() : "";
    if (name.substr(0, 4) == "brg:") faster = Product::kLibrary;
  });
  return faster;
}

PackedWeight PackProduct(const float* w, int64_t n, int64_t k, WeightOrder order, Product product) {
  auto impl = std::make_shared<PackedWeight::Impl>();
  impl->geometry.in_channels = static_cast<int>(k);
  impl->geometry.out_channels = static_cast<int>(n);
  if (product == Product::kBlocks) {
    impl->blocks = PackBlocks(w, n, k, order);
    RegisterImplementation("diptych:block_gemm");
  } else {
    const auto tag = order == WeightOrder::kOutIn ? memory::format_tag::ba : memory::format_tag::ab;
    const memory plain({{k, n}, kF32, tag}, Engine(), const_cast<float*>(w));
    const PrimitiveKey nominal{.h = kNominalRows};
    impl->primitives = std::make_unique<WeightedPrimitives>(MatmulPlanner(n, k), plain, nominal);
  }
  return PackedWeight(std::move(impl));
}

void RunProduct(Context& context, const float* x, int64_t m, const PackedWeight& w, const Epilogue& epilogue,
                float* y) {
  const PackedWeight::Impl& impl = w.impl();
  const int64_t n = impl.geometry.out_channels, k = impl.geometry.in_channels;
  context.AddWork(ProductWork(m, n, k));
  if (impl.primitives == nullptr) return BlockLinear(context, x, m, impl.blocks, epilogue, y);
  Epilogue piece = epilogue;
  while (m > 0) {
    const int64_t rows = NextPiece(m);
    impl.primitives->Run(context, {.h = rows}, x, piece, {y, static_cast<size_t>(rows * n)});
    x += rows * k;
    y += rows * n;
    if (piece.residual != nullptr) piece.residual += rows * n;
    m -= rows;
  }
}

PackedWeight PackMatrix(const float* w, int64_t n, int64_t k, WeightOrder order, Precision precision) {
  precision = EffectivePrecision(precision);
  if (precision == Precision::kF32) return PackProduct(w, n, k, order, FasterProduct(n, k));
  auto impl = std::make_shared<PackedWeight::Impl>();
  impl->geometry.in_channels = static_cast<int>(k);
  impl->geometry.out_channels = static_cast<int>(n);
  impl->narrow = std::make_unique<NarrowWeight>(PackNarrow(w, n, k, order, precision));
  return PackedWeight(std::move(impl));
}

PackedWeight PackLinear(TensorView w, WeightOrder order, Precision precision) {
  CHECK_EQ(w.shape().rank(), 2);
  const bool out_in = order == WeightOrder::kOutIn;
  Tensor copy;
  return PackMatrix(AsFloats(w, copy), w.shape()[out_in ? 0 : 1], w.shape()[out_in ? 1 : 0], order, precision);
}

Precision InputType(const PackedWeight& w) {
  return w.impl().narrow == nullptr ? Precision::kF32 : w.impl().narrow->precision;
}

void Linear(Context& context, const float* x, int64_t m, const PackedWeight& w, const Epilogue& epilogue, float* y) {
  const PackedWeight::Impl& impl = w.impl();
  CHECK(IsPointwise(impl.geometry)) << " the weight of a convolution";
  if (m == 0) return;
  if (impl.narrow == nullptr) return RunProduct(context, x, m, w, epilogue, y);
  const Arena::Scope scope(context.arena());
  const Rows rows = RowsOf(context, x, m, impl.narrow->k, impl.narrow->precision);
  NarrowLinear(context, rows, m, *impl.narrow, epilogue, FloatRows(y, impl.narrow->n));
}

void Linear(Context& context, const Rows& x, int64_t m, const PackedWeight& w, const Epilogue& epilogue,
            const MutableRows& y) {
  const PackedWeight::Impl& impl = w.impl();
  CHECK(x.type == InputType(w));
  if (m == 0) return;
  if (impl.narrow != nullptr) return NarrowLinear(context, x, m, *impl.narrow, epilogue, y);
  CHECK(y.type == Precision::kF32);
  RunProduct(context, reinterpret_cast<const float*>(x.data), m, w, epilogue, y.floats());
}

}  // namespace diptych::kernels
