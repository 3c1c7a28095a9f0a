#include "kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <string_view>

#include "kernels/onednn.h"
#include "kernels/products/gemm.h"

namespace diptych::kernels {
namespace {

using dnnl::memory;
constexpr int64_t kSide = 2048;

// Of the calls that fit into the time, the fastest.
double BestGflops(double seconds, const std::function<void()>& product) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  product();  // builds, faults pages in
  double best = 0;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point call = Clock::now();
    product();
    best = std::max(best, 2e-9 * kSide * kSide * kSide / since(call));
  } while (since(start) < seconds);
  return best;
}

struct Types {
  memory::data_type x, w, y;
};

// The library's own product in its preferred layouts; 0 where it answers with a slow implementation or none.
double LibraryGflops(Context& context, const Types& types, double seconds) {
  const ScopedTeam team(context.threads());
  double best = 0;
  CheckedDnnl([&] {
    const memory::dims dims{kSide, kSide};
    const dnnl::matmul::primitive_desc desc(Engine(), memory::desc(dims, types.x, memory::format_tag::ab),
                                            memory::desc(dims, types.w, memory::format_tag::any),
                                            memory::desc(dims, types.y, memory::format_tag::ab), dnnl::primitive_attr(),
                                            true);
    if (!desc) return;
    const std::string_view name = desc.impl_info_str();

    if (name.substr(0, 3) == "ref") return;
    const dnnl::matmul product(desc);
    dnnl::stream stream(Engine());
    std::vector<Tensor> buffers;
    const auto make = [&](const memory::desc& of) {
      buffers.emplace_back(DType::kU8, Shape{static_cast<int64_t>(of.get_size())});
      return memory(of, Engine(), buffers.back().mutable_data<uint8_t>());
    };
    const std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, make(desc.src_desc())},
                                                       {DNNL_ARG_WEIGHTS, make(desc.weights_desc())},
                                                       {DNNL_ARG_DST, make(desc.dst_desc())}};
    best = BestGflops(seconds, [&] {
      product.execute(stream, arguments);
      stream.wait();
    });
  });
  return best;
}

double OwnGflops(Context& context, double seconds) {
  Tensor x(DType::kF32, {kSide, kSide}), y(DType::kF32, {kSide, kSide});
  const PackedWeight w = PackLinear(x, WeightOrder::kOutIn);
  return BestGflops(seconds,
                    [&] { Linear(context, x.data<float>(), kSide, w, Epilogue{}, y.mutable_data<float>()); });
}

}  // namespace

std::vector<MatmulPeak> MeasureMatmulPeaks(Context& context, double seconds) {
  using Type = memory::data_type;
  std::vector<MatmulPeak> peaks;
  peaks.push_back({"fp32", std::max(OwnGflops(context, seconds),
                                    LibraryGflops(context, {Type::f32, Type::f32, Type::f32}, seconds))});
  const double bf16 = LibraryGflops(context, {Type::bf16, Type::bf16, Type::f32}, seconds);
  if (bf16 > 0) peaks.push_back({"bf16", bf16});
  const double int8 = LibraryGflops(context, {Type::u8, Type::s8, Type::s32}, seconds);
  if (int8 > 0) peaks.push_back({"int8", int8});
  return peaks;
}

}  // namespace diptych::kernels
