#include "kernels/runtime.h"

#include <gtest/gtest.h>

#include "kernels/conv/conv.h"
#include "kernels/conv/conv_training.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

void RunLinear(Context& context, int64_t n, int64_t k, Activation activation) {
  const std::vector<float> w(static_cast<size_t>(n * k), 0.0f), x(static_cast<size_t>(77 * k), 0.0f), bias(n, 0.0f);
  std::vector<float> y(static_cast<size_t>(77 * n), 0.0f);
  const PackedWeight packed = PackLinear(View(w, {n, k}), WeightOrder::kOutIn);
  const Epilogue epilogue{bias.data(), y.data(), activation};
  for (const int64_t m : {1, 7, 50, 77}) Linear(context, x.data(), m, packed, epilogue, y.data());
}

void RunConv(Context& context, int side, const ConvGeometry& g, const Epilogue& epilogue) {
  const Shape shape{g.out_channels, g.in_channels / g.groups, g.kernel_h, g.kernel_w};
  const int64_t out = int64_t{g.OutSize(side, g.kernel_h)} * g.OutSize(side, g.kernel_w) * g.out_channels;
  const std::vector<float> w(static_cast<size_t>(shape.NumElements()), 0.0f);
  const std::vector<float> x(static_cast<size_t>(int64_t{side} * side * g.in_channels), 0.0f);
  std::vector<float> y(static_cast<size_t>(out), 0.0f), dx(x.size()), dw(w.size());
  Conv(context, x.data(), 1, side, side, PackConv(View(w, shape), g), epilogue, y.data());
  const ConvShape training{.geometry = g, .b = 1, .h = side, .w = side};
  TrainingConv(context, training, x.data(), w.data(), y.data());
  ConvBackwardWeights(context, training, x.data(), y.data(), dw.data());
  if (g.in_channels == 3) return;  // pixels have no gradient
  ConvBackwardData(context, training, y.data(), w.data(), dx.data());
}

// What the towers are made of: EfficientNet-Lite's depthwise layers, stems, a ResNet's convolutions, patches, products.
TEST(Runtime, NothingInUseIsAReferenceImplementation) {
  const std::vector<float> zeros(1280, 0.0f);
  struct Layer {
    int side, in, out, kernel, stride;
    bool depthwise;
  };
  const Layer layers[] = {{224, 3, 32, 3, 2, false},   {112, 32, 32, 3, 1, true},   {112, 96, 96, 3, 2, true},
                          {56, 144, 144, 5, 2, true},  {28, 240, 240, 3, 2, true},  {14, 480, 480, 5, 1, true},
                          {14, 672, 672, 5, 2, true},  {7, 1152, 1152, 3, 1, true}, {56, 64, 64, 3, 1, false},
                          {56, 64, 128, 3, 2, false},  {56, 64, 128, 1, 2, false},  {56, 64, 128, 1, 1, false},
                          {224, 3, 48, 32, 32, false}, {224, 3, 64, 7, 2, false}};
  for (const int threads : {1, 2}) {
    Context context(threads);
    for (const Layer& layer : layers) {
      const ConvGeometry g{.in_channels = layer.in,
                           .out_channels = layer.out,
                           .kernel_h = layer.kernel,
                           .kernel_w = layer.kernel,
                           .stride = layer.stride,
                           .groups = layer.depthwise ? layer.in : 1,
                           .padding = ConvGeometry::Padding::kSame};
      RunConv(context, layer.side, g, {.bias = zeros.data(), .activation = Activation::kRelu6});
    }
    for (const auto activation : {Activation::kNone, Activation::kGelu, Activation::kGeluTanh}) {
      RunLinear(context, 96, 64, activation);
    }
  }
  const std::vector<std::string> names = ImplementationsInUse();
  EXPECT_GE(names.size(), 2u);
  for (const std::string& name : names) EXPECT_NE(name.substr(0, 3), "ref") << name;
}

TEST(Runtime, SaysWhatItRunsOn) {
  EXPECT_EQ(RuntimeDescription().substr(0, 8), "oneDNN 3");
}

}  // namespace
}  // namespace diptych::kernels
