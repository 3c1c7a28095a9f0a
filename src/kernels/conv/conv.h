// 2-D convolutions over channels-last maps: y = act(conv(x, w) + b + residual).
#ifndef DIPTYCH_KERNELS_CONV_CONV_H_
#define DIPTYCH_KERNELS_CONV_CONV_H_

#include <compare>

#include "core/context.h"
#include "core/tensor.h"
#include "kernels/products/gemm.h"

namespace diptych::kernels {

/// Geometry of a convolution. Dense: groups = 1; depthwise: groups = in_channels; pointwise: kernel = 1.
struct ConvGeometry {
  int in_channels = 0, out_channels = 0;
  int kernel_h = 1, kernel_w = 1;
  int stride = 1;
  int groups = 1;
  /// Explicit zero padding, or TensorFlow's "same": ceil(in / stride) outputs, the odd pixel of padding at the
  /// bottom and right, so it depends on the input's size.
  enum class Padding : uint8_t { kExplicit, kSame } padding = Padding::kExplicit;
  int pad = 0;  // all four sides, with kExplicit

  int OutSize(int in, int kernel) const;    // output rows or columns for `in` input rows or columns
  int PadBefore(int in, int kernel) const;  // zeros before the first row or column

  friend auto operator<=>(const ConvGeometry&, const ConvGeometry&) = default;
};

/// Packs `w` (OC, C/groups, KH, KW; fp32, fp16 or bf16), each output channel multiplied by scale[oc] where `scale` is
/// not null (a folded batch norm). Nothing of `w` is kept.
PackedWeight PackConv(TensorView w, const ConvGeometry& geometry, const float* scale = nullptr,
                      Precision precision = Precision::kF32);

/// x is (B, H, W, C), y is (B, OutSize(H), OutSize(W), OC); epilogue.residual has y's shape. All fp32.
void Conv(Context& context, const float* x, int64_t b, int h, int w, const PackedWeight& weight,
          const Epilogue& epilogue, float* y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_CONV_CONV_H_
