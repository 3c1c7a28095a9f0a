#include "image/fingerprint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

#include "image/resize.h"

namespace diptych {
namespace {

constexpr int kSide = 32;
constexpr size_t kLow = 8, kDetail = 16;
constexpr int kMost = 128;     // pixels that are read along an edge
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

// A pixel's part of a cell: how much of the cell it covers along one edge.
struct Overlap {
  int pixel, cell;
  float part;
};

// At most kMost pixels along an edge of `n`, evenly taken, spread over kSide cells. By pixel, then cell.
std::vector<Overlap> OverlapsOf(int n) {
  const int taken = std::min(n, kMost);
  std::vector<Overlap> overlaps;
  for (int i = 0; i < taken; ++i) {
    const int pixel = static_cast<int>((int64_t{2} * i + 1) * n / (2 * taken));
    // The pixel covers [i, i + 1) * kSide, and a cell [j, j + 1) * taken, of the same line.
    for (int cell = i * kSide / taken; cell * taken < (i + 1) * kSide; ++cell) {
      const int begin = std::max(i * kSide, cell * taken), end = std::min((i + 1) * kSide, (cell + 1) * taken);
      overlaps.push_back({pixel, cell, static_cast<float>(end - begin) / static_cast<float>(taken)});
    }
  }
  return overlaps;
}

using Cells = std::array<float, kSide * kSide>;

// The mean of each cell: exact in small pictures, of samples in large ones.
Cells Shrink(const Grey& grey, int width, int height) {
  const std::vector<Overlap> columns = OverlapsOf(width), rows = OverlapsOf(height);
  Cells cells{};
  std::array<float, kSide> line;
  int at = -1;  // the row of pixels that `line` holds
  for (const Overlap& row : rows) {
    if (row.pixel != at) {
      at = row.pixel;
      line.fill(0);
      for (const Overlap& column : columns) {
        line[static_cast<size_t>(column.cell)] += column.part * grey.At(column.pixel, at);
      }
    }
    float* to = cells.data() + row.cell * kSide;
    for (size_t j = 0; j < kSide; ++j) to[j] += row.part * line[j];
  }
  return cells;
}

bool IsFlat(const Cells& cells) {
  double mean = 0, squares = 0;
  for (const float v : cells) mean += v, squares += static_cast<double>(v) * v;
  mean /= cells.size();
  return squares / cells.size() - mean * mean < kFlat * kFlat;
}

// The lowest frequencies of the DCT-II in both directions: (kDetail, kDetail), rows first.
std::array<float, kDetail * kDetail> LowFrequencies(const Cells& cells) {
  static const auto cosines = [] {
    std::array<std::array<float, kSide>, kDetail> table;
    for (size_t k = 0; k < kDetail; ++k) {
      for (size_t i = 0; i < kSide; ++i) {
        const double angle = std::numbers::pi * static_cast<double>((2 * i + 1) * k) / (2 * kSide);
        table[k][i] = static_cast<float>(std::cos(angle));
      }
    }
    return table;
  }();
  std::array<float, kDetail * kDetail> low{};
  for (size_t y = 0; y < kSide; ++y) {
    for (size_t k = 0; k < kDetail; ++k) {
      float sum = 0;
      for (size_t x = 0; x < kSide; ++x) sum += cells[y * kSide + x] * cosines[k][x];
      for (size_t l = 0; l < kDetail; ++l) low[l * kDetail + k] += sum * cosines[l][y];
    }
  }
  return low;
}

// A bit for each of the lowest side x side frequencies: whether it lies over their median.
void SetBits(const std::array<float, kDetail * kDetail>& low, size_t side, std::span<uint64_t> words) {
  std::array<float, kDetail * kDetail> values;
  for (size_t i = 0; i < side * side; ++i) values[i] = low[i / side * kDetail + i % side];
  std::array<float, kDetail * kDetail> sorted = values;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(side * side / 2);
  std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(side * side));
  for (size_t i = 0; i < side * side; ++i) words[i / 64] |= static_cast<uint64_t>(values[i] > *middle) << (i % 64);
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
  PictureFingerprint fingerprint{.sharpness = Sharpness(grey, image.width, image.height)};
  const Cells cells = Shrink(grey, image.width, image.height);
  if (IsFlat(cells)) return fingerprint;
  const auto low = LowFrequencies(cells);
  SetBits(low, kLow, std::span(&fingerprint.phash, 1));
  SetBits(low, kDetail, fingerprint.detail);
  return fingerprint;
}

}  // namespace diptych
