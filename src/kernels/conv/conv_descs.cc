#include "kernels/conv/conv_descs.h"

#include <algorithm>

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

ConvDescs::ConvDescs(const ConvGeometry& g, int64_t b, int64_t h, int64_t w) {
  const int rows = static_cast<int>(h), columns = static_cast<int>(w);
  const int out_rows = g.OutSize(rows, g.kernel_h), out_columns = g.OutSize(columns, g.kernel_w);
  CHECK(out_rows > 0 && out_columns > 0) << " a map of " << h << " x " << w << " is smaller than the kernel "
                                         << g.kernel_h << " x " << g.kernel_w << " with padding " << g.pad;
  x = memory::desc({b, g.in_channels, h, w}, kF32, memory::format_tag::nhwc);
  y = memory::desc({b, g.out_channels, out_rows, out_columns}, kF32, memory::format_tag::nhwc);
  strides = {g.stride, g.stride};
  pad_before = {g.PadBefore(rows, g.kernel_h), g.PadBefore(columns, g.kernel_w)};
  pad_after = {PadAfter(g, rows, g.kernel_h), PadAfter(g, columns, g.kernel_w)};
}

memory::desc PlainWeight(const ConvGeometry& g) {
  return memory::desc(WeightDims(g), kF32, g.groups == 1 ? memory::format_tag::oihw : memory::format_tag::goihw);
}

memory::desc AnyWeight(const ConvGeometry& g) {
  return memory::desc(WeightDims(g), kF32, memory::format_tag::any);
}

bool IsPointwise(const ConvGeometry& g) {
  const bool padded = g.padding == ConvGeometry::Padding::kExplicit && g.pad != 0;
  return g.kernel_h == 1 && g.kernel_w == 1 && g.stride == 1 && g.groups == 1 && !padded;
}

}  // namespace diptych::kernels
