#include "kernels/activation.h"

#include <gtest/gtest.h>

#include <bit>

#include "kernels/conv/conv.h"
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

// How far from double precision a value may be, beside 1e-6.
constexpr double kOurUlps = 4;
constexpr double kLibraryUlps = 6;  // oneDNN 3.2's erf on AVX-512 is off by up to 5 near 3.4

// Returns how many values are further away, and the first in `where`.
int64_t CountInaccurate(Activation activation, const std::vector<float>& x, const std::vector<float>& y, double ulps,
                        float* where) {
  int64_t count = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = reference::Activate(activation, x[i]);
    const float nearest = static_cast<float>(exact);
    const double ulp = std::abs(static_cast<double>(std::nextafter(nearest, INFINITY)) - nearest);
    if (std::abs(y[i] - exact) <= std::max(1e-6, ulps * ulp)) continue;
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
      EXPECT_EQ(CountInaccurate(activation, x, y, kOurUlps, &where), 0)
          << static_cast<int>(activation) << " at " << where;
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
    EXPECT_EQ(CountInaccurate(activation, x, y, kLibraryUlps, &where), 0)
        << static_cast<int>(activation) << " at " << where;
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

TEST(Activate, OutOfPlaceIsTheSame) {
  const std::vector<float> x = Random(40001, 1);
  for (const Activation activation : kAll) {
    std::vector<float> in_place = x, y(x.size());
    Context context(2);
    Activate(context, activation, in_place.data(), static_cast<int64_t>(x.size()));
    Activate(context, activation, x.data(), static_cast<int64_t>(x.size()), y.data());
    EXPECT_EQ(y, in_place);
  }
}

TEST(ActivateBackward, AccurateOverTheWholeRange) {
  ForEachTarget([] {
    const std::vector<float> x = DenseRange(), dy(x.size(), 2.0f);
    for (const Activation activation : kAll) {
      std::vector<float> dx(x.size());
      Context context(2);
      ActivateBackward(context, activation, x.data(), dy.data(), static_cast<int64_t>(x.size()), dx.data());
      double worst = 0.0;
      for (size_t i = 0; i < x.size(); ++i) {
        worst = std::max(worst, std::abs(dx[i] - 2.0 * reference::ActivateDerivative(activation, x[i])));
      }
      EXPECT_LT(worst, 3e-6) << static_cast<int>(activation);
      std::vector<float> in_place = dy;
      ActivateBackward(context, activation, x.data(), in_place.data(), static_cast<int64_t>(x.size()), in_place.data());
      EXPECT_EQ(in_place, dx);
    }
  });
}

TEST(ActivateBackward, IsTheDerivative) {
  for (const Activation activation : kAll) {
    for (const double x : {-7.0, -1.7, -0.3, 0.4, 1.1, 5.0, 7.3}) {
      const double numeric =
          (reference::Activate(activation, x + 1e-5) - reference::Activate(activation, x - 1e-5)) / 2e-5;
      EXPECT_NEAR(reference::ActivateDerivative(activation, x), numeric, 1e-8) << static_cast<int>(activation);
    }
  }
}

TEST(ActivateBackward, SpecialValues) {
  ForEachTarget([] {
    const std::vector<float> x{std::numeric_limits<float>::quiet_NaN(), 1e30f, -1e30f, 0.0f, 6.0f};
    const std::vector<float> dy(x.size(), 1.0f);
    std::vector<float> dx(x.size());
    Context context;
    for (const Activation activation : kAll) {
      ActivateBackward(context, activation, x.data(), dy.data(), 5, dx.data());
      const bool clamps = activation == Activation::kRelu || activation == Activation::kRelu6;
      EXPECT_TRUE(clamps ? dx[0] == 1.0f : std::isnan(dx[0]));
      EXPECT_EQ(dx[1], activation == Activation::kRelu6 ? 0.0f : 1.0f);
      EXPECT_EQ(dx[2], 0.0f);
      EXPECT_EQ(dx[3], clamps ? 0.0f : 0.5f);
      EXPECT_TRUE(activation != Activation::kRelu6 || dx[4] == 0.0f);
    }
    ActivateBackward(context, Activation::kNone, x.data(), dy.data(), 5, dx.data());
    EXPECT_EQ(dx, dy);
    ActivateBackward(context, Activation::kGelu, nullptr, nullptr, 0, nullptr);
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
