#include "kernels/activation.h"

#include <gtest/gtest.h>

#include <bit>

#include "kernels/conv.h"
#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

constexpr Activation kAll[] = {Activation::kRelu, Activation::kRelu6, Activation::kQuickGelu, Activation::kGelu,
                               Activation::kGeluTanh};

// Every 4,099th float of either sign up to 1e4: over 2,000 in each binade, subnormals included.
std::vector<float> DenseRange() {
  std::vector<float> values{0.0f, -0.0f};
  for (uint32_t bits = 1; bits < std::bit_cast<uint32_t>(1e4f); bits += 4099) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(-values.back());
  }
  return values;
}

// At most 4 ulp or 1e-6 from double precision; returns how many are not, and the first in `where`.
int64_t CountInaccurate(Activation activation, const std::vector<float>& x, const std::vector<float>& y, float* where) {
  int64_t count = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = reference::Activate(activation, x[i]);
    const float nearest = static_cast<float>(exact);
    const double ulp = std::abs(static_cast<double>(std::nextafter(nearest, INFINITY)) - nearest);
    if (std::abs(y[i] - exact) <= std::max(1e-6, 4 * ulp)) continue;
    if (count++ == 0) *where = x[i];
  }
  return count;
}

TEST(Activate, AccurateOverTheWholeRange) {
  ForEachTarget([] {
    const std::vector<float> x = DenseRange();
    for (const Activation activation : kAll) {
      std::vector<float> y = x;
      Context context(2);
      Activate(context, activation, y.data(), static_cast<int64_t>(y.size()));
      float where = 0.0f;
      EXPECT_EQ(CountInaccurate(activation, x, y, &where), 0) << static_cast<int>(activation) << " at " << where;
    }
  });
}

// The library's own versions, which convolutions fuse: a depthwise 3 x 3 whose only tap is the centre.
TEST(Activate, FusedIntoAConvolutionItIsAsAccurate) {
  std::vector<float> x = DenseRange();
  x.resize(x.size() / 64 * 64);
  const ConvGeometry g{.in_channels = 16, .out_channels = 16, .kernel_h = 3, .kernel_w = 3, .groups = 16, .pad = 1};
  std::vector<float> w(16 * 9, 0.0f), y(x.size());
  for (size_t i = 4; i < w.size(); i += 9) w[i] = 1.0f;
  const PackedWeight packed = PackConv(View(w, {16, 1, 3, 3}), g);
  Context context;
  for (const Activation activation : kAll) {
    Conv(context, x.data(), 1, static_cast<int>(x.size() / 64), 4, packed, {.activation = activation}, y.data());
    float where = 0.0f;
    EXPECT_EQ(CountInaccurate(activation, x, y, &where), 0) << static_cast<int>(activation) << " at " << where;
  }
}

TEST(Activate, SpecialValuesFollowTorch) {
  ForEachTarget([] {
    const float inf = std::numeric_limits<float>::infinity();
    Context context;
    for (const Activation activation : kAll) {
      std::vector<float> y(37, std::numeric_limits<float>::quiet_NaN());
      y[1] = y[35] = inf;
      y[2] = y[36] = -inf;
      y[3] = -1e30f;
      Activate(context, activation, y.data(), static_cast<int64_t>(y.size()));
      EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[34]));
      const bool clamps = activation == Activation::kRelu || activation == Activation::kRelu6;
      for (const size_t i : {1, 35}) EXPECT_EQ(y[i], activation == Activation::kRelu6 ? 6.0f : inf);
      for (const size_t i : {2, 36}) EXPECT_TRUE(clamps ? y[i] == 0.0f : std::isnan(y[i]));  // -inf * 0, as torch
      EXPECT_EQ(y[3], 0.0f);
    }
  });
}

TEST(Activate, NoneAndNothing) {
  Context context;
  float x = 3.0f;
  Activate(context, Activation::kNone, &x, 1);
  Activate(context, Activation::kGelu, &x, 0);
  EXPECT_EQ(x, 3.0f);
}

}  // namespace
}  // namespace diptych::kernels
