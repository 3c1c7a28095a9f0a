#include "kernels/conv/conv.h"

#include <gtest/gtest.h>

#include "core/half.h"
#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

constexpr double kTolerance = 2e-5;
constexpr auto kSame = ConvGeometry::Padding::kSame;

int64_t OutputSize(const ConvGeometry& g, const reference::Map& map) {
  return map.b * g.OutSize(map.h, g.kernel_h) * g.OutSize(map.w, g.kernel_w) * g.out_channels;
}

Shape WeightShape(const ConvGeometry& g) {
  return {g.out_channels, g.in_channels / g.groups, g.kernel_h, g.kernel_w};
}

enum class Residual { kNone, kApart, kInPlace };

double DifferenceFromReference(const ConvGeometry& g, const reference::Map& map, Activation activation,
                               Residual kind = Residual::kNone, int threads = 1) {
  const Shape shape = WeightShape(g);
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.NumElements() / g.out_channels));
  const std::vector<float> x = Random(map.b * map.h * map.w * g.in_channels, 1);
  const std::vector<float> w = Random(shape.NumElements(), 2, scale), bias = Random(g.out_channels, 3);
  const std::vector<float> residual = Random(OutputSize(g, map), 4);
  std::vector<float> expected(residual.size()), actual(residual.size());
  Epilogue epilogue{
      .bias = bias.data(), .residual = kind == Residual::kNone ? nullptr : residual.data(), .activation = activation};
  reference::Conv(x.data(), map, View(w, shape), g, epilogue, expected.data());
  if (kind == Residual::kInPlace) {
    actual = residual;
    epilogue.residual = actual.data();
  }
  Context context(threads);
  Conv(context, x.data(), map.b, map.h, map.w, PackConv(View(w, shape), g), epilogue, actual.data());
  return MaxDifference(expected, actual);
}

TEST(Conv, DenseAndGroupedGeometries) {
  for (const int kernel : {1, 3, 5, 7}) {
    for (const int stride : {1, 2, 3}) {
      for (const int groups : {1, 4}) {
        for (const auto padding : {ConvGeometry::Padding::kExplicit, kSame}) {
          const ConvGeometry g{.in_channels = 8,
                               .out_channels = 12,
                               .kernel_h = kernel,
                               .kernel_w = kernel,
                               .stride = stride,
                               .groups = groups,
                               .padding = padding,
                               .pad = kernel / 2};
          for (const reference::Map map : {reference::Map{1, 13, 9}, reference::Map{2, 8, 8}}) {
            EXPECT_LT(DifferenceFromReference(g, map, Activation::kRelu6), kTolerance)
                << "kernel " << kernel << " stride " << stride << " groups " << groups << " map " << map.h;
          }
        }
      }
    }
  }
}

TEST(Conv, Depthwise) {
  for (const int channels : {3, 16, 33, 96, 144}) {
    for (const int kernel : {3, 5, 7}) {
      for (const int stride : {1, 2}) {
        const ConvGeometry g{.in_channels = channels,
                             .out_channels = channels,
                             .kernel_h = kernel,
                             .kernel_w = kernel,
                             .stride = stride,
                             .groups = channels,
                             .padding = kSame};
        for (const reference::Map map : {reference::Map{1, 14, 11}, reference::Map{2, 7, 7}}) {
          EXPECT_LT(DifferenceFromReference(g, map, Activation::kRelu6), kTolerance)
              << "channels " << channels << " kernel " << kernel << " stride " << stride << " map " << map.h;
        }
      }
    }
  }
}

TEST(Conv, StemAndPatchEmbedding) {
  const ConvGeometry stem{
      .in_channels = 3, .out_channels = 32, .kernel_h = 3, .kernel_w = 3, .stride = 2, .padding = kSame};
  EXPECT_LT(DifferenceFromReference(stem, {2, 33, 32}, Activation::kRelu6), kTolerance);
  const ConvGeometry patches{.in_channels = 3, .out_channels = 40, .kernel_h = 14, .kernel_w = 14, .stride = 14};
  EXPECT_LT(DifferenceFromReference(patches, {1, 45, 42}, Activation::kNone), kTolerance);
}

TEST(Conv, ResidualsInBothPlaces) {
  const ConvGeometry pointwise{.in_channels = 24, .out_channels = 40};
  const ConvGeometry dense{.in_channels = 16, .out_channels = 16, .kernel_h = 3, .kernel_w = 3, .pad = 1};
  for (const ConvGeometry& g : {pointwise, dense}) {
    for (const Residual kind : {Residual::kApart, Residual::kInPlace}) {
      for (const int threads : {1, 2}) {
        EXPECT_LT(DifferenceFromReference(g, {2, 9, 7}, Activation::kRelu, kind, threads), kTolerance);
      }
    }
  }
}

TEST(Conv, OnePackedWeightServesAllSizes) {
  const ConvGeometry g{.in_channels = 16, .out_channels = 24, .kernel_h = 3, .kernel_w = 3, .padding = kSame};
  const std::vector<float> w = Random(WeightShape(g).NumElements(), 1, 0.1f);
  const PackedWeight packed = PackConv(View(w, WeightShape(g)), g);
  Context context;
  for (const reference::Map map : {reference::Map{1, 1, 1}, reference::Map{1, 3, 50}, reference::Map{3, 20, 20}}) {
    const std::vector<float> x = Random(map.b * map.h * map.w * 16, 2);
    std::vector<float> expected(static_cast<size_t>(OutputSize(g, map))), actual(expected.size());
    reference::Conv(x.data(), map, View(w, WeightShape(g)), g, {}, expected.data());
    Conv(context, x.data(), map.b, map.h, map.w, packed, {}, actual.data());
    EXPECT_LT(MaxDifference(expected, actual), kTolerance) << map.h << " x " << map.w;
  }
}

TEST(Conv, ChannelScaleIsFoldedIntoTheWeight) {
  const ConvGeometry g{.in_channels = 8, .out_channels = 8, .kernel_h = 3, .kernel_w = 3, .groups = 8};
  const Shape shape = WeightShape(g);
  const std::vector<float> x = Random(5 * 5 * 8, 1), scale = Random(8, 3);
  std::vector<float> w = Random(shape.NumElements(), 2), scaled(w.size());
  std::vector<uint16_t> halves(w.size());
  for (size_t i = 0; i < w.size(); ++i) {
    halves[i] = FloatToHalf(w[i]);
    w[i] = HalfToFloat(halves[i]);
    scaled[i] = w[i] * scale[i / 9];
  }
  std::vector<float> expected(3 * 3 * 8), actual(expected.size());
  reference::Conv(x.data(), {1, 5, 5}, View(scaled, shape), g, {}, expected.data());
  Context context;
  for (const TensorView view : {View(w, shape), TensorView(halves.data(), DType::kF16, shape)}) {
    Conv(context, x.data(), 1, 5, 5, PackConv(view, g, scale.data()), {}, actual.data());
    EXPECT_LT(MaxDifference(expected, actual), kTolerance);
  }
}

TEST(ConvGeometry, SamePaddingPutsTheOddPixelLast) {
  const ConvGeometry g{.kernel_h = 3, .kernel_w = 3, .stride = 2, .padding = kSame};
  EXPECT_EQ(g.OutSize(224, 3), 112);
  EXPECT_EQ(g.PadBefore(224, 3), 0);  // one pixel in all: at the bottom and right
  EXPECT_EQ(g.OutSize(225, 3), 113);
  EXPECT_EQ(g.PadBefore(225, 3), 1);
}

}  // namespace
}  // namespace diptych::kernels
