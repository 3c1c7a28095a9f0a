#include "kernels/panels/panel_product.h"

#include <gtest/gtest.h>

#include "kernels/panels/panels_test_util.h"
#include "kernels/products/tile_gemm.h"

namespace diptych::kernels {
namespace {

struct Case {
  int64_t m, n, k;
  bool clamp = false, residual = false;
  PixelFrame frame = {};
};

// Largest error, in units of bf16's rounding, of all pixels; what lies between them must stay as it was.
double ErrorOf(const Case& c, void (*multiply)(const PanelProduct&)) {
  Context context;
  Arena& arena = context.arena();
  const std::vector<float> x = RandomBrains(c.m * c.k, 1), scale = Random(c.n, 2), bias = Random(c.n, 3, 2.0f);
  const std::vector<float> w = Random(c.n * c.k, 4, 1.0f / std::sqrt(static_cast<float>(c.k)));
  const std::vector<float> residual = RandomBrains(c.m * c.n, 5);
  const PanelWeight packed = PackPanelWeight(View(w, {c.n, c.k, 1, 1}), scale.data(), bias.data(), c.clamp);
  const int64_t room = 4 * c.m + 200;
  const MutablePanels y = AllocatePanels(arena, room, c.n);
  constexpr uint16_t kUntouched = 0x1234;
  std::fill_n(y.data, PanelsOf(c.n) * y.stride, kUntouched);
  PanelProduct product{.x = ToPanels(arena, x, c.m, c.k),
                       .m = c.m,
                       .w = &packed,
                       .begin = 0,
                       .end = PanelsOf(c.n),
                       .y = y,
                       .frame = c.frame};
  if (c.residual) product.residual = ToPanels(arena, residual, c.m, c.n);
  multiply(product);
  double worst = 0;
  int64_t pixel = 0, expected_pixel = 0;
  for (int64_t row = 0; row < c.m; ++row, ++pixel) {
    const int64_t width = c.frame.width, page = c.frame.height == INT64_MAX ? INT64_MAX : width * c.frame.height;
    expected_pixel = row + row / width * c.frame.row_gap + row / page * c.frame.map_gap;
    for (; pixel < expected_pixel; ++pixel) {
      if (y.data[pixel * kPanel] != kUntouched) return INFINITY;
    }
    for (int64_t j = 0; j < PanelsOf(c.n) * kPanel; ++j) {
      double sum = 0;
      if (j < c.n) {
        for (int64_t i = 0; i < c.k; ++i) {
          sum += static_cast<double>(x[row * c.k + i]) * RoundedToBrain(w[j * c.k + i] * scale[j]);
        }
        sum += bias[j] + (c.residual ? residual[row * c.n + j] : 0.0f);
      }
      if (c.clamp) sum = std::min(std::max(sum, 0.0), 6.0);
      const double value = BFloat16ToFloat(y.panel(j / kPanel)[pixel * kPanel + j % kPanel]);
      const double error = std::abs(value - sum) / std::max(std::abs(sum), 0.01) * 256;
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
  }
  return y.data[pixel * kPanel] == kUntouched ? worst : INFINITY;
}

const Case kCases[] = {{.m = 1, .n = 1, .k = 1},
                       {.m = 15, .n = 16, .k = 27, .clamp = true},
                       {.m = 17, .n = 24, .k = 40, .residual = true},
                       {.m = 64, .n = 33, .k = 32, .clamp = true, .residual = true},
                       {.m = 49, .n = 96, .k = 240, .clamp = true, .frame = {7, 7, 4, 44}},
                       {.m = 147, .n = 40, .k = 16, .clamp = true, .frame = {7, 7, 4, 44}},
                       {.m = 90, .n = 32, .k = 80, .frame = {45, INT64_MAX, 3, 0}},
                       {.m = 100, .n = 64, .k = 672, .residual = true}};

// One rounding, and what fp32's sums differ by.
constexpr double kTolerance = 1.01;

TEST(PanelProduct, EachTargetFollowsPlainLoops) {
  ForEachTarget([] {
    for (const Case& c : kCases) EXPECT_LT(ErrorOf(c, MultiplyPanelsOnVectors), kTolerance) << c.m << " " << c.k;
  });
}

TEST(PanelProduct, TilesFollowPlainLoops) {
  if (!HasTiles()) GTEST_SKIP() << "no product of tiles on this processor";
  for (const Case& c : kCases) EXPECT_LT(ErrorOf(c, MultiplyPanelsOnTiles), kTolerance) << c.m << " " << c.k;
}

TEST(PanelProduct, APartOfTheOutputs) {
  Context context;
  const int64_t m = 20, n = 96, k = 64;
  const std::vector<float> x = RandomBrains(m * k, 1), w = Random(n * k, 2), ones(n, 1.0f), bias = Random(n, 3);
  const PanelWeight packed = PackPanelWeight(View(w, {n, k, 1, 1}), ones.data(), bias.data(), false);
  const MutablePanels whole = AllocatePanels(context.arena(), m, n), part = AllocatePanels(context.arena(), m, kPanel);
  PanelProduct product{
      .x = ToPanels(context.arena(), x, m, k), .m = m, .w = &packed, .begin = 0, .end = 3, .y = whole};
  MultiplyPanels(product);
  product.begin = 1;
  product.end = 2;
  product.y = part;
  MultiplyPanels(product);
  EXPECT_TRUE(std::equal(part.data, part.data + m * kPanel, whole.panel(1)));
}

}  // namespace
}  // namespace diptych::kernels
