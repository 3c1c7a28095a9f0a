#include "kernels/conv/conv_columns.h"

#include <algorithm>

#include "kernels/parallel.h"
#include "kernels/products/block_gemm.h"

namespace diptych::kernels {
namespace {

// Rows [begin, end) of the matrix whose row i is the window of output pixel i: (KH, KW, C), zeros outside of the map.
// Channels-last, a window's row of pixels is one piece of x.
void CopyWindows(const ConvShape& shape, const float* x, int64_t begin, int64_t end, float* out) {
  const ConvGeometry& g = shape.geometry;
  const int out_h = g.OutSize(shape.h, g.kernel_h), out_w = g.OutSize(shape.w, g.kernel_w);
  const int top = g.PadBefore(shape.h, g.kernel_h), left = g.PadBefore(shape.w, g.kernel_w), c = g.in_channels;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const int64_t image = pixel / out_w / out_h;
    const int row = static_cast<int>(pixel / out_w % out_h) * g.stride - top;
    const int column = static_cast<int>(pixel % out_w) * g.stride - left;
    const int first = std::clamp(-column, 0, g.kernel_w), last = std::clamp(shape.w - column, first, g.kernel_w);
    for (int i = row; i < row + g.kernel_h; ++i, out += int64_t{g.kernel_w} * c) {
      if (i < 0 || i >= shape.h) {
        std::fill_n(out, int64_t{g.kernel_w} * c, 0.0f);
        continue;
      }
      const float* in = x + ((image * shape.h + i) * shape.w + column + first) * c;
      std::fill_n(out, int64_t{first} * c, 0.0f);
      std::copy_n(in, int64_t{last - first} * c, out + int64_t{first} * c);
      std::fill_n(out + int64_t{last} * c, int64_t{g.kernel_w - last} * c, 0.0f);
    }
  }
}

}  // namespace

// With W (OC, KH*KW*C): y = windows Wᵀ, so dW = dyᵀ windows, summed over pieces of pixels whose windows stay in cache.
void ConvWeightsByProduct(Context& context, const ConvShape& shape, const float* x, const float* dy, float* dw) {
  const ConvGeometry& g = shape.geometry;
  CHECK_EQ(g.groups, 1);
  constexpr int64_t kPieceFloats = 1 << 18;  // 1 MB: 2 MB were as fast, 4 MB slower
  const int64_t taps = int64_t{g.kernel_h} * g.kernel_w, columns = taps * g.in_channels;
  const int64_t pixels = shape.OutputElements() / g.out_channels;
  const int64_t piece = std::min(pixels, std::max<int64_t>(256, kPieceFloats / columns));
  const Arena::Scope scope(context.arena());
  float* sums = context.arena().Allocate<float>(g.out_channels * columns);  // (OC, KH, KW, C)
  float* windows = context.arena().Allocate<float>(piece * columns);
  for (int64_t first = 0; first < pixels; first += piece) {
    const int64_t count = std::min(piece, pixels - first);
    ParallelFor(context, count, 64, [&](int64_t begin, int64_t end) {
      CopyWindows(shape, x, first + begin, first + end, windows + begin * columns);
    });
    BlockMatMul(context, {.m = g.out_channels,
                          .n = columns,
                          .k = count,
                          .a = dy + first * g.out_channels,
                          .transpose_a = true,
                          .b = windows,
                          .c = sums,
                          .accumulate = first > 0});
  }
  ParallelFor(context, g.out_channels, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * g.in_channels; i < end * g.in_channels; ++i) {
      const float* in = sums + i / g.in_channels * columns + i % g.in_channels;
      for (int64_t tap = 0; tap < taps; ++tap) dw[i * taps + tap] += in[tap * g.in_channels];
    }
  });
}

}  // namespace diptych::kernels
