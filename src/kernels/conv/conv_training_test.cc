#include "kernels/conv/conv_training.h"

#include <gtest/gtest.h>

#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

constexpr double kTolerance = 3e-5;
constexpr auto kSame = ConvGeometry::Padding::kSame;

Shape WeightShape(const ConvGeometry& g) {
  return {g.out_channels, g.in_channels / g.groups, g.kernel_h, g.kernel_w};
}

// Values of a size that keeps every result near one.
struct Operands {
  explicit Operands(const ConvShape& shape) {
    const ConvGeometry& g = shape.geometry;
    const auto scale = [](int64_t terms) { return 1.0f / std::sqrt(static_cast<float>(std::max<int64_t>(terms, 1))); };
    const int64_t weights = WeightShape(g).NumElements(), pixels = shape.OutputElements() / g.out_channels;
    x = Random(shape.InputElements(), 1);
    w = Random(weights, 2, scale(weights / g.out_channels));
    dy = Random(shape.OutputElements(), 3);
    dw_scale = scale(pixels);
  }
  std::vector<float> x, w, dy;
  float dw_scale = 1.0f;
};

void TestShape(const ConvShape& shape, int threads = 1) {
  const ConvGeometry& g = shape.geometry;
  SCOPED_TRACE(testing::Message() << g.in_channels << " to " << g.out_channels << ", kernel " << g.kernel_h
                                  << ", stride " << g.stride << ", groups " << g.groups << ", map " << shape.b << " x "
                                  << shape.h << " x " << shape.w << ", threads " << threads);
  const Operands in(shape);
  Context context(threads);
  std::vector<float> expected(in.dy.size()), y(in.dy.size());
  reference::Conv(in.x.data(), {shape.b, shape.h, shape.w}, View(in.w, WeightShape(g)), g, {}, expected.data());
  TrainingConv(context, shape, in.x.data(), in.w.data(), y.data());
  EXPECT_LT(MaxDifference(expected, y), kTolerance);

  std::vector<float> dx(in.x.size()), expected_dx(in.x.size()), expected_dw(in.w.size());
  reference::ConvBackward(shape, in.x.data(), in.w.data(), in.dy.data(), expected_dx.data(), expected_dw.data());
  ConvBackwardData(context, shape, in.dy.data(), in.w.data(), dx.data());
  EXPECT_LT(MaxDifference(expected_dx, dx), kTolerance);
  for (float& value : expected_dx) value *= 2.0f;
  ConvBackwardData(context, shape, in.dy.data(), in.w.data(), dx.data(), Gradient::kAccumulate);
  EXPECT_LT(MaxDifference(expected_dx, dx), 2 * kTolerance);

  std::vector<float> dw = Random(static_cast<int64_t>(in.w.size()), 4);
  for (size_t i = 0; i < dw.size(); ++i) expected_dw[i] = (expected_dw[i] + dw[i]) * in.dw_scale;
  ConvBackwardWeights(context, shape, in.x.data(), in.dy.data(), dw.data());
  for (float& value : dw) value *= in.dw_scale;
  EXPECT_LT(MaxDifference(expected_dw, dw), kTolerance);
}

TEST(ConvTraining, DenseAndGroupedGeometries) {
  for (const int kernel : {1, 3, 5}) {
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
          TestShape({g, 1, 13, 9});
          TestShape({g, 3, 8, 8}, 2);
        }
      }
    }
  }
}

TEST(ConvTraining, Depthwise) {
  for (const int channels : {3, 16, 33, 144}) {
    for (const int kernel : {3, 5}) {
      for (const int stride : {1, 2}) {
        const ConvGeometry g{.in_channels = channels,
                             .out_channels = channels,
                             .kernel_h = kernel,
                             .kernel_w = kernel,
                             .stride = stride,
                             .groups = channels,
                             .padding = kSame};
        TestShape({g, 1, 14, 11});
        TestShape({g, 2, 7, 7}, 2);
      }
    }
  }
}

TEST(ConvTraining, StemsPatchesAndSmallMaps) {
  const ConvGeometry stem{.in_channels = 3, .out_channels = 16, .kernel_h = 3, .kernel_w = 3, .stride = 2, .pad = 1};
  const ConvGeometry patches{.in_channels = 3, .out_channels = 40, .kernel_h = 14, .kernel_w = 14, .stride = 14};
  const ConvGeometry dense{.in_channels = 64, .out_channels = 64, .kernel_h = 3, .kernel_w = 3, .pad = 1};
  const ConvGeometry pointwise{.in_channels = 24, .out_channels = 40};
  TestShape({stem, 2, 33, 32});
  TestShape({patches, 2, 45, 42});
  TestShape({dense, 5, 2, 2}, 2);
  TestShape({dense, 1, 1, 1});
  TestShape({pointwise, 3, 5, 7}, 2);
}

// Sizes from which on the gradient of the weight is a product: windows over the borders, and more than one piece of
// them.
TEST(ConvTraining, ManyChannels) {
  for (const int stride : {1, 2}) {
    for (const auto padding : {ConvGeometry::Padding::kExplicit, kSame}) {
      const ConvGeometry g{.in_channels = 19,
                           .out_channels = 67,
                           .kernel_h = 5,
                           .kernel_w = 3,
                           .stride = stride,
                           .padding = padding,
                           .pad = 2};
      TestShape({g, 2, 13, 9});
      TestShape({g, 3, 4, 2}, 2);
    }
  }
  const ConvGeometry deep{.in_channels = 256, .out_channels = 64, .kernel_h = 3, .kernel_w = 3, .pad = 1};
  const ConvGeometry wide{.in_channels = 16, .out_channels = 24, .kernel_h = 3, .kernel_w = 3, .pad = 1};
  TestShape({deep, 3, 10, 11}, 2);
  TestShape({wide, 1, 2, 130});
}

TEST(ConvTraining, AnEmptyBatchAddsNothing) {
  const ConvShape shape{.geometry = {.in_channels = 4, .out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad = 1},
                        .b = 0,
                        .h = 8,
                        .w = 8};
  std::vector<float> w(4 * 4 * 9, 1.0f), dw(w.size(), 5.0f);
  Context context;
  TrainingConv(context, shape, nullptr, w.data(), nullptr);
  ConvBackwardData(context, shape, nullptr, w.data(), nullptr);
  ConvBackwardWeights(context, shape, nullptr, nullptr, dw.data());
  EXPECT_EQ(dw, std::vector<float>(dw.size(), 5.0f));
}

TEST(ConvTraining, TheSameBitsFromRunToRun) {
  const ConvGeometry g{.in_channels = 16, .out_channels = 24, .kernel_h = 3, .kernel_w = 3, .pad = 1};
  const ConvShape shape{.geometry = g, .b = 6, .h = 12, .w = 12};
  const Operands in(shape);
  for (const int threads : {1, 2}) {
    std::vector<float> first;
    for (int run = 0; run < 3; ++run) {
      Context context(threads);
      std::vector<float> dw(in.w.size());
      ConvBackwardWeights(context, shape, in.x.data(), in.dy.data(), dw.data());
      if (run == 0) first = dw;
      EXPECT_EQ(first, dw) << threads;
    }
  }
}

TEST(ConvTraining, TheTwinEqualsNumericDifferentiation) {
  const ConvGeometry g{
      .in_channels = 4, .out_channels = 6, .kernel_h = 3, .kernel_w = 3, .stride = 2, .groups = 2, .padding = kSame};
  const ConvShape shape{.geometry = g, .b = 2, .h = 6, .w = 5};
  const Operands in(shape);
  std::vector<float> dx(in.x.size()), dw(in.w.size());
  reference::ConvBackward(shape, in.x.data(), in.w.data(), in.dy.data(), dx.data(), dw.data());
  const auto conv = [&](const std::vector<float>& x, const std::vector<float>& w) {
    std::vector<float> y(in.dy.size());
    reference::Conv(x.data(), {shape.b, shape.h, shape.w}, View(w, WeightShape(g)), g, {}, y.data());
    return y;
  };
  for (size_t i = 0; i < dx.size(); i += 7) {
    EXPECT_NEAR(NumericDerivative(in.x, i, in.dy, [&](const auto& x) { return conv(x, in.w); }), dx[i], 1e-3) << i;
  }
  for (size_t i = 0; i < dw.size(); i += 5) {
    EXPECT_NEAR(NumericDerivative(in.w, i, in.dy, [&](const auto& w) { return conv(in.x, w); }), dw[i], 1e-3) << i;
  }
}

}  // namespace
}  // namespace diptych::kernels
