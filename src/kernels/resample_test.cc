#include "kernels/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/resample_weights.h"

namespace diptych::kernels {
namespace {

// One pass of Pillow's loops, tap by tap: `step` samples lie between neighbours along the axis.
std::vector<uint8_t> NaivePass(const std::vector<uint8_t>& in, int in_size, int out_size, size_t inner, size_t outer,
                               Filter filter) {
  const AxisWeights axis = ComputeAxisWeights(in_size, {out_size, 0, out_size}, filter);
  std::vector<uint8_t> out(outer * out_size * inner);
  for (size_t o = 0; o < outer; ++o) {
    for (int i = 0; i < out_size; ++i) {
      for (size_t c = 0; c < inner; ++c) {
        int64_t sum = 1 << (kWeightBits - 1);
        for (int t = 0; t < axis.taps[i]; ++t) {
          sum += int64_t{in[(o * in_size + axis.begin[i] + t) * inner + c]} *
                 FixedPointWeight(axis.weights[i * axis.stride + t]);
        }
        out[(o * out_size + i) * inner + c] = static_cast<uint8_t>(std::clamp<int64_t>(sum >> kWeightBits, 0, 255));
      }
    }
  }
  return out;
}

std::vector<uint8_t> Naive(std::vector<uint8_t> in, const Bytes2d& s, int width, int height, Filter filter) {
  const size_t channels = s.channels;
  const bool is_vertical_first = IsVerticalFirst(s.width, s.height, width, height);
  const auto vertical = [&](int w) { in = NaivePass(in, s.height, height, w * channels, 1, filter); };
  if (is_vertical_first && height != s.height) vertical(s.width);
  const int rows = is_vertical_first ? height : s.height;
  if (width != s.width) in = NaivePass(in, s.width, width, channels, rows, filter);
  if (!is_vertical_first && height != s.height) vertical(width);
  return in;
}

TEST(Resample, EqualsTheNaiveLoopsOnOddShapes) {
  static constexpr int kSizes[][4] = {{1, 1, 1, 1},    {1, 1, 5, 7},     {2, 3, 1, 1},     {5, 4, 3, 9},
                                      {17, 31, 16, 8}, {33, 9, 32, 9},   {64, 48, 30, 22}, {7, 90, 40, 3},
                                      {300, 2, 5, 3},  {11, 13, 130, 70}};
  std::mt19937 random(3);
  for (const auto& size : kSizes) {
    for (int channels = 1; channels <= 4; ++channels) {
      const Bytes2d shape{size[0], size[1], channels};
      std::vector<uint8_t> in(static_cast<size_t>(size[0]) * size[1] * channels);
      for (uint8_t& sample : in) sample = random() % 3 == 0 ? 255 : static_cast<uint8_t>(random());
      for (const Filter filter :
           {Filter::kBox, Filter::kBilinear, Filter::kHamming, Filter::kBicubic, Filter::kLanczos}) {
        std::vector<uint8_t> out(static_cast<size_t>(size[2]) * size[3] * channels);
        Resample(in.data(), shape, size[2], size[3], filter, out.data());
        ASSERT_EQ(out, Naive(in, shape, size[2], size[3], filter))
            << size[0] << "x" << size[1] << " -> " << size[2] << "x" << size[3] << ", " << channels << " channels";
      }
    }
  }
}

TEST(Resample, AWindowIsAPartOfTheWhole) {
  const Bytes2d shape{41, 37, 3};
  std::vector<uint8_t> in(41 * 37 * 3);
  std::mt19937 random(4);
  for (uint8_t& sample : in) sample = static_cast<uint8_t>(random());
  for (const Filter filter : {Filter::kNearest, Filter::kBicubic}) {
    std::vector<uint8_t> whole(29 * 23 * 3), window(10 * 8 * 3);
    Resample(in.data(), shape, 29, 23, filter, whole.data());
    ResampleWindow(in.data(), shape, {29, 23, 11, 5, 10, 8}, filter, window.data());
    for (int y = 0; y < 8; ++y) {
      for (int x = 0; x < 30; ++x) ASSERT_EQ(window[y * 30 + x], whole[((y + 5) * 29 + 11) * 3 + x]) << x << ", " << y;
    }
  }
}

}  // namespace
}  // namespace diptych::kernels
