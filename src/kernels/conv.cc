#include "kernels/conv.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "kernels/packed_weight_impl.h"
#include "kernels/product.h"

namespace diptych::kernels {
namespace {

using dnnl::memory;
constexpr auto kF32 = memory::data_type::f32;

memory::dims WeightDims(const ConvGeometry& g) {
  if (g.groups == 1) return {g.out_channels, g.in_channels, g.kernel_h, g.kernel_w};
  return {g.groups, g.out_channels / g.groups, g.in_channels / g.groups, g.kernel_h, g.kernel_w};
}

// Zeros after the last row: as many as the last window reaches; none where it ends inside.
int PadAfter(const ConvGeometry& g, int in, int kernel) {
  return std::max(0, (g.OutSize(in, kernel) - 1) * g.stride + kernel - in - g.PadBefore(in, kernel));
}

}  // namespace

int ConvGeometry::OutSize(int in, int kernel) const {
  if (padding == Padding::kSame) return (in + stride - 1) / stride;
  return (in + 2 * pad - kernel) / stride + 1;
}

int ConvGeometry::PadBefore(int in, int kernel) const {
  if (padding == Padding::kExplicit) return pad;
  return std::max(0, (OutSize(in, kernel) - 1) * stride + kernel - in) / 2;
}

namespace {

PlanPrimitive ConvolutionPlanner(const ConvGeometry& g) {
  return [g](const PrimitiveKey& key, const memory::desc& weights) {
    const int h = static_cast<int>(key.h), w = static_cast<int>(key.w);
    const memory::desc x({key.b, g.in_channels, h, w}, kF32, memory::format_tag::nhwc);
    const memory::desc y({key.b, g.out_channels, g.OutSize(h, g.kernel_h), g.OutSize(w, g.kernel_w)}, kF32,
                         memory::format_tag::nhwc);
    const memory::desc bias = key.bias ? memory::desc({g.out_channels}, kF32, memory::format_tag::a) : memory::desc();
    const memory::dims strides{g.stride, g.stride};
    const memory::dims before{g.PadBefore(h, g.kernel_h), g.PadBefore(w, g.kernel_w)};
    const memory::dims after{PadAfter(g, h, g.kernel_h), PadAfter(g, w, g.kernel_w)};
    const dnnl::convolution_forward::primitive_desc desc(Engine(), dnnl::prop_kind::forward_inference,
                                                         dnnl::algorithm::convolution_direct, x, weights, bias, y,
                                                         strides, before, after, AttributesOf(key), true);
    return PrimitivePlan{desc, [desc] { return dnnl::convolution_forward(desc); }};
  };
}

}  // namespace

bool IsPointwise(const ConvGeometry& g) {
  const bool padded = g.padding == ConvGeometry::Padding::kExplicit && g.pad != 0;
  return g.kernel_h == 1 && g.kernel_w == 1 && g.stride == 1 && g.groups == 1 && !padded;
}

PackedWeight PackConv(TensorView w, const ConvGeometry& g, const float* scale, Precision) {
  const Shape shape{g.out_channels, g.in_channels / g.groups, g.kernel_h, g.kernel_w};
  CHECK_EQ(w.shape(), shape);
  Tensor copy;
  const float* floats = AsFloats(w, copy);
  if (scale != nullptr) {
    if (copy.empty()) {
      copy = Tensor(DType::kF32, shape);
      std::copy_n(floats, shape.NumElements(), copy.mutable_data<float>());
    }
    float* scaled = copy.mutable_data<float>();
    const int64_t per_channel = shape.NumElements() / g.out_channels;
    for (int oc = 0; oc < g.out_channels; ++oc) {
      for (int64_t i = 0; i < per_channel; ++i) *scaled++ *= scale[oc];
    }
    floats = copy.data<float>();
  }
  if (IsPointwise(g)) {
    const Product product = FasterProduct(g.out_channels, g.in_channels);
    return PackProduct(floats, g.out_channels, g.in_channels, WeightOrder::kOutIn, product);
  }
  const auto tag = g.groups == 1 ? memory::format_tag::oihw : memory::format_tag::goihw;
  const memory plain({WeightDims(g), kF32, tag}, Engine(), const_cast<float*>(floats));
  constexpr int kNominalSide = 28;  // the layout is asked for at this size; others nearly always want the same
  const PrimitiveKey nominal{.h = std::max(kNominalSide, g.kernel_h), .w = std::max(kNominalSide, g.kernel_w)};
  auto impl = std::make_shared<PackedWeight::Impl>();
  impl->geometry = g;
  impl->primitives = std::make_unique<WeightedPrimitives>(ConvolutionPlanner(g), plain, nominal);
  return PackedWeight(std::move(impl));
}

void Conv(Context& context, const float* x, int64_t b, int h, int w, const PackedWeight& weight,
          const Epilogue& epilogue, float* y) {
  const PackedWeight::Impl& impl = weight.impl();
  const ConvGeometry& g = impl.geometry;
  const int out_h = g.OutSize(h, g.kernel_h), out_w = g.OutSize(w, g.kernel_w);
  CHECK(out_h > 0 && out_w > 0) << " a map of " << h << " x " << w << " is smaller than the kernel " << g.kernel_h
                                << " x " << g.kernel_w << " with padding " << g.pad;
  if (b == 0) return;
  if (IsPointwise(g)) return RunProduct(context, x, b * h * w, weight, epilogue, y);
  const size_t size = static_cast<size_t>(b) * out_h * out_w * g.out_channels;
  impl.primitives->Run(context, {.b = b, .h = h, .w = w}, x, epilogue, {y, size});
}

}  // namespace diptych::kernels
