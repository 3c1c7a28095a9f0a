#include "image/fingerprint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "image/resize.h"

namespace diptych {
namespace {

constexpr int kSide = 32, kLow = 8;
constexpr int kSamples = 4;    // of a cell, in each direction
constexpr double kFlat = 2.0;  // grey levels: deviation of a picture that is one colour and some noise

// Grey levels of a picture in kL or kRgb, as Pillow's convert("L").
class Grey {
 public:
  explicit Grey(const Image& image) : image_(image), channels_(ChannelsOf(image.mode)) {}
  float At(int x, int y) const {
    const uint8_t* p =
        image_.pixels.data() + (static_cast<size_t>(y) * static_cast<size_t>(image_.width) + static_cast<size_t>(x)) *
                                   static_cast<size_t>(channels_);
    return channels_ == 1 ? p[0] : static_cast<float>(p[0] * 19595 + p[1] * 38470 + p[2] * 7471) / 65536.0f;
  }

 private:
  const Image& image_;
  int channels_;
};

// Where the samples of cell `i` of kSide lie along an edge of `n` pixels: at most kSamples of them, evenly.
struct Run {
  int first, step, count;
};
Run RunOf(int i, int n) {
  const int begin = i * n / kSide, end = std::max(begin + 1, (i + 1) * n / kSide);
  const int step = std::max(1, (end - begin) / kSamples);
  return {begin + (step - 1) / 2, step, (end - begin + step - 1) / step};
}

std::array<float, kSide * kSide> Shrink(const Grey& grey, int width, int height) {
  std::array<float, kSide * kSide> cells;
  for (int i = 0; i < kSide; ++i) {
    const Run rows = RunOf(i, height);
    for (int j = 0; j < kSide; ++j) {
      const Run columns = RunOf(j, width);
      float sum = 0;
      int count = 0;
      for (int r = 0; r < rows.count; ++r) {
        const int y = std::min(rows.first + r * rows.step, height - 1);
        for (int c = 0; c < columns.count; ++c, ++count) {
          sum += grey.At(std::min(columns.first + c * columns.step, width - 1), y);
        }
      }
      cells[static_cast<size_t>(i * kSide + j)] = sum / static_cast<float>(count);
    }
  }
  return cells;
}

uint64_t PerceptualHash(const std::array<float, kSide * kSide>& cells) {
  double mean = 0, squares = 0;
  for (const float v : cells) mean += v, squares += static_cast<double>(v) * v;
  mean /= cells.size();
  if (squares / cells.size() - mean * mean < kFlat * kFlat) return 0;

  static const auto cosines = [] {  // of the DCT-II
    std::array<std::array<float, kSide>, kLow> table;
    for (int k = 0; k < kLow; ++k) {
      for (int i = 0; i < kSide; ++i) {
        const double angle = std::numbers::pi * (2 * i + 1) * k / (2 * kSide);
        table[static_cast<size_t>(k)][static_cast<size_t>(i)] = static_cast<float>(std::cos(angle));
      }
    }
    return table;
  }();
  std::array<float, kLow * kLow> low{};
  for (size_t k = 0; k < kLow; ++k) {
    for (size_t y = 0; y < kSide; ++y) {
      float sum = 0;
      for (size_t x = 0; x < kSide; ++x) sum += cells[y * kSide + x] * cosines[k][x];
      for (size_t l = 0; l < kLow; ++l) low[l * kLow + k] += sum * cosines[l][y];
    }
  }
  std::array<float, kLow* kLow> sorted = low;
  std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
  const float median = sorted[sorted.size() / 2];
  uint64_t bits = 0;
  for (size_t i = 0; i < low.size(); ++i) bits |= static_cast<uint64_t>(low[i] > median) << i;
  return bits;
}

double Sharpness(const Grey& grey, int width, int height) {
  if (width < 3 || height < 3) return 0;
  const int step_x = std::max(1, width / 64), step_y = std::max(1, height / 64);
  double sum = 0, squares = 0, count = 0;
  for (int y = 1; y < height - 1; y += step_y) {
    for (int x = 1; x < width - 1; x += step_x) {
      const double laplacian = static_cast<double>(4 * grey.At(x, y) - grey.At(x - 1, y) - grey.At(x + 1, y) -
                                                   grey.At(x, y - 1) - grey.At(x, y + 1));
      sum += laplacian;
      squares += laplacian * laplacian;
      ++count;
    }
  }
  return std::max(0.0, squares / count - sum / count * (sum / count));
}

}  // namespace

PictureFingerprint Fingerprint(const Image& image) {
  if (image.mode != PixelMode::kL && image.mode != PixelMode::kRgb) return Fingerprint(ConvertToRgb(image));
  const Grey grey(image);
  return {.phash = PerceptualHash(Shrink(grey, image.width, image.height)),
          .sharpness = Sharpness(grey, image.width, image.height)};
}

}  // namespace diptych
