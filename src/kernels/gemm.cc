#include "kernels/gemm.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "kernels/packed_weight_impl.h"

namespace diptych::kernels {
namespace {

using dnnl::memory;
constexpr auto kF32 = memory::data_type::f32;
constexpr int64_t kNominalRows = 256;  // the layout is asked for at this size

PlanPrimitive MatmulPlanner(int64_t n, int64_t k) {
  return [n, k](const PrimitiveKey& key, const memory::desc& weights) {
    const memory::desc x({key.h, k}, kF32, memory::format_tag::ab);
    const memory::desc y({key.h, n}, kF32, memory::format_tag::ab);
    const memory::desc bias = key.bias ? memory::desc({1, n}, kF32, memory::format_tag::ab) : memory::desc();
    const dnnl::matmul::primitive_desc desc(Engine(), x, weights, bias, y, AttributesOf(key), true);
    return PrimitivePlan{desc, [desc] { return dnnl::matmul(desc); }};
  };
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Two primitives compute x W^T. The library's matmul is the natural one, and on AVX-512 it is a batch-reduced GEMM on
// packed weights ("brg:avx512_core"). On AVX2, oneDNN 3.2 answers "gemm:jit" instead, which packs the weights anew in
// each call and reaches 0.85 to 0.95 of the peak; there a pointwise convolution over a map of M x 1 pixels, which is
// the same sum over the same memory, gets the batch-reduced kernel with packed weights ("brgconv_1x1:avx2") and 0.99.
bool PreferConvolution(const PlanPrimitive& matmul, const PlanPrimitive& convolution, int64_t n, int64_t k) {
  const ScopedTeam team(1);
  bool prefer = false;
  CheckedDnnl([&] {
    const PrimitiveKey nominal{.h = kNominalRows, .bias = true};
    const PrimitivePlan product = matmul(nominal, {{k, n}, kF32, memory::format_tag::any});
    if (product.desc && Contains(product.desc.impl_info_str(), "brg")) return;
    const PrimitivePlan pointwise = convolution(nominal, {{n, k, 1, 1}, kF32, memory::format_tag::any});
    prefer = pointwise.desc && Contains(pointwise.desc.impl_info_str(), "brgconv");
  });
  return prefer;
}

// The rows of the next piece of a product with `rows` left. A primitive is planned for one number of rows, and text
// brings all of them, so that beyond 128 rows only multiples of 64 have primitives of their own, up to 2048, and a last
// piece of 64 to 127 rows takes the rest: fewer would be bound by reading the weights. This keeps a weight's primitives
// under 160 for each kind of epilogue, and a fixed shape of a multiple of 64 rows is one piece.
int64_t NextPiece(int64_t rows) {
  constexpr int64_t kUnit = 64, kLargest = 2048;
  if (rows < 2 * kUnit) return rows;
  if (rows % kUnit == 0) return std::min(rows, kLargest);
  return std::min((rows / kUnit - 1) * kUnit, kLargest);
}

}  // namespace

PackedWeight PackLinear(TensorView w, WeightOrder order, Precision) {
  CHECK_EQ(w.shape().rank(), 2);
  const bool out_in = order == WeightOrder::kOutIn;
  const int64_t n = w.shape()[out_in ? 0 : 1], k = w.shape()[out_in ? 1 : 0];
  Tensor copy;
  float* floats = const_cast<float*>(AsFloats(w, copy));
  const ConvGeometry geometry{.in_channels = static_cast<int>(k), .out_channels = static_cast<int>(n)};
  const PlanPrimitive matmul = MatmulPlanner(n, k), convolution = ConvolutionPlanner(geometry);
  const PrimitiveKey nominal{.h = kNominalRows};
  constexpr auto kKind = PackedWeight::Impl::Kind::kLinear;
  PackedWeight::Impl* impl = nullptr;
  if (PreferConvolution(matmul, convolution, n, k)) {
    const auto tag = out_in ? memory::format_tag::oihw : memory::format_tag::ihwo;
    const memory plain({{n, k, 1, 1}, kF32, tag}, Engine(), floats);
    impl = new PackedWeight::Impl{kKind, geometry, {convolution, plain, nominal}};
  } else {
    const memory plain({{k, n}, kF32, out_in ? memory::format_tag::ba : memory::format_tag::ab}, Engine(), floats);
    impl = new PackedWeight::Impl{kKind, geometry, {matmul, plain, nominal}};
  }
  return PackedWeight(std::shared_ptr<const PackedWeight::Impl>(impl));
}

void Linear(Context& context, const float* x, int64_t m, const PackedWeight& w, const Epilogue& epilogue, float* y) {
  const PackedWeight::Impl& impl = w.impl();
  CHECK(impl.kind == PackedWeight::Impl::Kind::kLinear);
  const int64_t n = impl.geometry.out_channels, k = impl.geometry.in_channels;
  Epilogue piece = epilogue;
  while (m > 0) {
    const int64_t rows = NextPiece(m);
    RunPacked(context, impl, {.h = rows}, x, piece, {y, static_cast<size_t>(rows * n)});
    x += rows * k;
    y += rows * n;
    if (piece.residual != nullptr) piece.residual += rows * n;
    m -= rows;
  }
}

}  // namespace diptych::kernels
