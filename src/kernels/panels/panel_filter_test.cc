#include "kernels/panels/panel_filter.h"

#include <gtest/gtest.h>

#include "core/half.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

// Largest error in units of bf16's rounding.
double ErrorOf(int kernel, int stride, int64_t channels, int64_t rows, int64_t width) {
  const int64_t x_width = (width - 1) * stride + kernel + 1, x_rows = (rows - 1) * stride + kernel;
  const std::vector<float> scale = Random(channels, 1), bias = Random(channels, 2, 2.0f);
  const std::vector<float> w = Random(channels * kernel * kernel, 3, 1.0f / static_cast<float>(kernel));
  const PanelFilter filter = PackPanelFilter(View(w, {channels, 1, kernel, kernel}), stride, scale.data(), bias.data());
  double worst = 0;
  for (int64_t panel = 0; panel < PanelsOf(channels); ++panel) {
    const std::vector<float> values = Random(x_rows * x_width * kPanel, 4 + static_cast<uint32_t>(panel));
    std::vector<uint16_t> x(values.size()), y(static_cast<size_t>((rows * width + 1) * kPanel), uint16_t{0x1234});
    for (size_t i = 0; i < x.size(); ++i) x[i] = FloatToBFloat16(values[i]);
    FilterPanel(filter, panel,
                {.x = x.data(), .x_row = x_width * kPanel, .rows = rows, .width = width, .y = y.data()});
    for (int64_t i = 0; i < rows * width * kPanel; ++i) {
      const int64_t row = i / kPanel / width, column = i / kPanel % width, c = panel * kPanel + i % kPanel;
      double sum = 0;
      if (c < channels) {
        for (int64_t tap = 0; tap < kernel * kernel; ++tap) {
          const int64_t at = (row * stride + tap / kernel) * x_width + column * stride + tap % kernel;
          sum += static_cast<double>(BFloat16ToFloat(x[static_cast<size_t>(at * kPanel + i % kPanel)])) *
                 (w[c * kernel * kernel + tap] * scale[c]);
        }
        sum = std::min(std::max(sum + bias[c], 0.0), 6.0);
      }
      const double error = std::abs(BFloat16ToFloat(y[static_cast<size_t>(i)]) - sum) / std::max(sum, 0.01) * 256;
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
    for (int64_t i = 0; i < kPanel; ++i) {
      if (y[static_cast<size_t>(rows * width * kPanel + i)] != 0x1234) return INFINITY;  // behind the end
    }
  }
  return worst;
}

TEST(PanelFilter, EachTargetFollowsPlainLoops) {
  ForEachTarget([] {
    for (const int kernel : {3, 5}) {
      for (const int stride : {1, 2}) {
        for (const int64_t width : {1, 4, 7, 13, 16}) {
          for (const int64_t channels : {3, 32, 70}) {
            EXPECT_LT(ErrorOf(kernel, stride, channels, 3, width), 1.01)
                << "kernel " << kernel << " stride " << stride << " width " << width << " channels " << channels;
          }
        }
      }
    }
  });
}

TEST(PanelFilter, SaysWhichFiltersThereAre) {
  EXPECT_TRUE(IsPanelFilter(5, 2));
  EXPECT_FALSE(IsPanelFilter(7, 1));
  EXPECT_FALSE(IsPanelFilter(3, 3));
}

}  // namespace
}  // namespace diptych::kernels
