#include "kernels/panels/panels.h"

#include <gtest/gtest.h>

#include "kernels/panels/panels_test_util.h"

namespace diptych::kernels {
namespace {

TEST(Panels, ThereAndBack) {
  Context context;
  const std::vector<float> x = RandomBrains(5 * 70, 1);
  std::vector<float> y(x.size());
  FromPanels(ToPanels(context.arena(), x, 5, 70), 5, 70, y.data());
  EXPECT_EQ(x, y);
}

TEST(Panels, MeanOfRows) {
  Context context;
  const int64_t rows = 9, channels = 45;
  const std::vector<float> x = RandomBrains(rows * channels, 1);
  std::vector<float> mean(channels), expected(channels);
  MeanOfPanels(ToPanels(context.arena(), x, rows, channels), rows, channels, mean.data());
  for (int64_t i = 0; i < rows * channels; ++i) expected[i % channels] += x[i] / static_cast<float>(rows);
  EXPECT_LT(MaxDifference(mean, expected), 1e-6);
}

// side, zeros before, windows of a row.
struct Stem {
  int64_t side, pad, width;
};

TEST(Panels, WindowsOfPixelsOnEachTarget) {
  ForEachTarget([] {
    for (const Stem& stem : {Stem{8, 0, 4}, Stem{9, 1, 5}, Stem{1, 1, 1}, Stem{46, 0, 23}}) {
      const int64_t side = stem.side, plane = side * side;
      const std::vector<float> pixels = Random(3 * plane, 1);
      std::vector<uint16_t> scratch(static_cast<size_t>(PixelColumnsScratch(stem.width)), uint16_t{0x7fc0});
      for (int64_t begin = 0; begin < stem.width; begin += kWindowRows) {
        const int64_t end = std::min(stem.width, begin + kWindowRows), rows = (end - begin) * stem.width;
        std::vector<uint16_t> y(static_cast<size_t>(rows * kPanel));
        PixelColumns({pixels.data(), side, stem.pad, stem.width}, begin, end, scratch.data(), y.data());
        for (int64_t i = 0; i < rows * kPanel; ++i) {
          const int64_t tap = i % kPanel, row = (begin + i / kPanel / stem.width) * 2 + tap / 9 - stem.pad;
          const int64_t column = i / kPanel % stem.width * 2 + tap % 9 / 3 - stem.pad;
          const bool inside = tap < 27 && row >= 0 && row < side && column >= 0 && column < side;
          const float expected = inside ? pixels[tap % 3 * plane + row * side + column] : 0.0f;
          ASSERT_EQ(y[static_cast<size_t>(i)], FloatToBFloat16(expected)) << "side " << side << " value " << i;
        }
      }
    }
  });
}

}  // namespace
}  // namespace diptych::kernels
