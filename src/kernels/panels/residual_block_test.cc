#include "kernels/panels/residual_block.h"

#include <gtest/gtest.h>

#include "kernels/panels/panels_test_util.h"
#include "kernels/reference.h"

namespace diptych::kernels {
namespace {

struct Case {
  int height, width;  // of the input
  int in, middle, out;
  int kernel = 3, stride = 1;
  bool stem = false;  // the input has pixels; expand is its convolution
  int64_t pictures = 1;
};

ConvGeometry Same(int in, int out, int kernel, int stride, int groups) {
  return {.in_channels = in,
          .out_channels = out,
          .kernel_h = kernel,
          .kernel_w = kernel,
          .stride = stride,
          .groups = groups,
          .padding = ConvGeometry::Padding::kSame};
}

// One convolution of the block by plain loops, its weight and its output rounded as the block's are.
struct Layer {
  Layer(const ConvGeometry& g, uint32_t seed)
      : geometry(g), shape{g.out_channels, g.in_channels / g.groups, g.kernel_h, g.kernel_w} {
    const int64_t taps = shape.NumElements() / g.out_channels;
    w = RandomBrains(shape.NumElements(), seed, 1.0f / std::sqrt(static_cast<float>(taps)));
    bias = Random(g.out_channels, seed + 1);
  }
  std::vector<float> Run(const std::vector<float>& x, reference::Map& map, Activation activation,
                         const float* residual) const {
    const reference::Map out{map.b, geometry.OutSize(map.h, geometry.kernel_h),
                             geometry.OutSize(map.w, geometry.kernel_w)};
    std::vector<float> y(static_cast<size_t>(out.b * out.h * out.w * geometry.out_channels));
    reference::Conv(x.data(), map, View(w, shape), geometry,
                    {.bias = bias.data(), .residual = residual, .activation = activation}, y.data());
    for (float& value : y) value = RoundedToBrain(value);
    map = out;
    return y;
  }

  ConvGeometry geometry;
  Shape shape;
  std::vector<float> w, bias;
};

double DifferenceFromReference(const Case& c, int threads) {
  Context context(threads);
  const bool expands = !c.stem && c.middle != c.in;
  const Layer first(c.stem ? Same(3, c.middle, 3, 2, 1) : Same(c.in, c.middle, 1, 1, 1), 1);
  const Layer filter(Same(c.middle, c.middle, c.kernel, c.stride, c.middle), 3);
  const Layer project(Same(c.middle, c.out, 1, 1, 1), 5);
  const std::vector<float> ones(static_cast<size_t>(std::max(c.middle, c.out)), 1.0f);

  ResidualBlock block{.geometry = filter.geometry, .shortcut = !c.stem && c.stride == 1 && c.in == c.out};
  if (c.stem || expands) {
    (c.stem ? block.stem : block.expand) =
        PackPanelWeight(View(first.w, first.shape), ones.data(), first.bias.data(), true);
  }
  block.stem_geometry = first.geometry;
  block.filter = PackPanelFilter(View(filter.w, filter.shape), c.stride, ones.data(), filter.bias.data());
  block.project = PackPanelWeight(View(project.w, project.shape), ones.data(), project.bias.data(), false);

  reference::Map map{c.pictures, c.height, c.width};
  const int64_t pixels = c.pictures * c.height * c.width, channels = c.stem ? 3 : c.in;
  const std::vector<float> x = RandomBrains(pixels * channels, 7);
  std::vector<float> expected = x;
  if (c.stem || expands) expected = first.Run(expected, map, Activation::kRelu6, nullptr);
  expected = filter.Run(expected, map, Activation::kRelu6, nullptr);
  expected = project.Run(expected, map, Activation::kNone, block.shortcut ? x.data() : nullptr);

  ResidualInput input{.pictures = c.pictures, .height = c.height, .width = c.width};
  std::vector<float> planar(x.size());
  if (c.stem) {
    const int64_t plane = int64_t{c.height} * c.width;
    for (size_t i = 0; i < x.size(); ++i) {
      const int64_t pixel = static_cast<int64_t>(i) / 3;
      planar[static_cast<size_t>((pixel / plane * 3 + static_cast<int64_t>(i) % 3) * plane + pixel % plane)] = x[i];
    }
    input.pixels = planar.data();
  } else {
    input.x = ToPanels(context.arena(), x, pixels, c.in);
  }
  const int64_t rows = map.b * map.h * map.w;
  const MutablePanels y = AllocatePanels(context.arena(), rows, c.out);
  const int64_t bytes = ResidualScratch(block, c.pictures, c.height, c.width);
  auto* scratch = static_cast<std::byte*>(context.arena().AllocateBytes(static_cast<size_t>(threads * bytes)));
  std::fill_n(scratch, threads * bytes, std::byte{0xff});  // NaN
  RunResidual(context, block, input, scratch, bytes, y);
  std::vector<float> actual(expected.size());
  FromPanels(y, rows, c.out, actual.data());
  return MaxDifference(expected, actual);
}

// Sums that differ in the last bit may round to neighbours, here of values up to 8.
constexpr double kTolerance = 0.07;

TEST(ResidualBlock, FollowsPlainLoops) {
  const Case cases[] = {
      {.height = 7, .width = 7, .in = 40, .middle = 240, .out = 40, .kernel = 5, .pictures = 5},
      {.height = 14, .width = 13, .in = 16, .middle = 96, .out = 24, .stride = 2, .pictures = 2},
      {.height = 15, .width = 9, .in = 24, .middle = 24, .out = 16, .kernel = 5, .stride = 2, .pictures = 3},
      {.height = 1, .width = 1, .in = 8, .middle = 48, .out = 8, .kernel = 5},
      {.height = 20, .width = 20, .in = 0, .middle = 32, .out = 16, .stem = true, .pictures = 2},
      {.height = 35, .width = 35, .in = 0, .middle = 16, .out = 8, .kernel = 5, .stride = 2, .stem = true},
      // More than a band.
      {.height = 56, .width = 56, .in = 24, .middle = 144, .out = 24, .kernel = 5},
      {.height = 120, .width = 112, .in = 16, .middle = 96, .out = 16, .stride = 2},
  };
  for (const Case& c : cases) {
    for (const int threads : {1, 3}) {
      EXPECT_LT(DifferenceFromReference(c, threads), kTolerance)
          << c.height << " x " << c.width << " kernel " << c.kernel << " stride " << c.stride << " threads " << threads;
    }
  }
}

}  // namespace
}  // namespace diptych::kernels
