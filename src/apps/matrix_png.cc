#include "apps/matrix_png.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "apps/canvas.h"
#include "core/file.h"
#include "image/encode.h"

namespace diptych {
namespace {

constexpr size_t kMaxDrawn = 500;
constexpr int kMargin = 24, kGap = 8, kScaleWidth = 18;
constexpr int kMaxCaption = 260;  // pixels
constexpr Rgb kPaper{255, 255, 255}, kInk{34, 34, 42}, kFaint{150, 150, 160};

// Viridis (matplotlib, CC0) at nine places: it grows evenly in lightness, so it also works printed in grey and for the
// colour-blind.
constexpr Rgb kViridis[] = {{68, 1, 84},    {71, 45, 123}, {59, 82, 139},  {44, 114, 142}, {33, 145, 140},
                            {40, 174, 128}, {94, 201, 98}, {173, 220, 48}, {253, 231, 37}};

Rgb ColorOf(double t) {
  const double at = std::clamp(t, 0.0, 1.0) * (std::size(kViridis) - 1);
  const size_t i = std::min(static_cast<size_t>(at), std::size(kViridis) - 2);
  Rgb color;
  for (int c = 0; c < 3; ++c) {
    color[c] = static_cast<uint8_t>(std::lround(kViridis[i][c] + (at - i) * (kViridis[i + 1][c] - kViridis[i][c])));
  }
  return color;
}

Rgb InkOn(const Rgb& color) {
  return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140 ? kInk : kPaper;
}

// A file's name without its folders says enough beside its thumbnail.
std::string Caption(const MatrixSide& side, size_t i) {
  const bool picture = i < side.thumbnails.size() && side.thumbnails[i].width > 0;
  return picture ? std::filesystem::path(side.names[i]).filename().string() : side.names[i];
}

bool HasThumbnails(const MatrixSide& side) {
  return std::any_of(side.thumbnails.begin(), side.thumbnails.end(), [](const Image& i) { return i.width > 0; });
}

struct Layout {
  int cell = 0;           // side of a cell and of a thumbnail's place
  int left = 0, top = 0;  // of the first cell
  int left_caption = 0, top_caption = 0;
  int width = 0, height = 0;  // of the whole
};

int LongestCaption(const MatrixSide& side) {
  int width = 0;
  for (size_t i = 0; i < side.names.size(); ++i) {
    width = std::max(width, Canvas::TextWidth(Canvas::Printable(Caption(side, i))));
  }
  return std::min(width, kMaxCaption);
}

Layout Plan(const SimilarityMatrix& matrix, int extent) {
  const int n = static_cast<int>(matrix.a.names.size()), m = static_cast<int>(matrix.b.names.size());
  Layout layout;
  // As large as the thumbnails for a few rows, never less than a line of text.
  layout.cell = std::clamp(extent / std::max(n, m), Canvas::kTextHeight + 2, 96);
  const auto side = [&](const MatrixSide& s, int caption) {
    return kMargin + caption + kGap + (HasThumbnails(s) ? layout.cell + kGap : 0);
  };
  layout.left_caption = LongestCaption(matrix.a);
  layout.top_caption = LongestCaption(matrix.b);
  layout.left = side(matrix.a, layout.left_caption);
  layout.top = side(matrix.b, layout.top_caption);
  layout.width = layout.left + m * layout.cell + 3 * kGap + kScaleWidth + kGap + Canvas::TextWidth("-0.00") + kMargin;
  layout.height = layout.top + std::max(n * layout.cell, 120) + kMargin;
  return layout;
}

void PasteCentred(Canvas& canvas, const Image& thumbnail, const Rect& place) {
  if (thumbnail.width == 0) return;
  const double scale = std::min(1.0, static_cast<double>(place.width) / std::max(thumbnail.width, thumbnail.height));
  const int w = std::max(1, static_cast<int>(std::lround(thumbnail.width * scale)));
  const int h = std::max(1, static_cast<int>(std::lround(thumbnail.height * scale)));
  const Image small = Resize(thumbnail, w, h, kernels::Filter::kBilinear);
  canvas.Paste(small, {place.x + (place.width - w) / 2, place.y + (place.height - h) / 2});
}

void DrawSides(Canvas& canvas, const SimilarityMatrix& matrix, const Layout& layout) {
  const int cell = layout.cell;
  for (size_t i = 0; i < matrix.a.names.size(); ++i) {
    const int y = layout.top + static_cast<int>(i) * cell;
    const std::string text = Canvas::Fit(Caption(matrix.a, i), layout.left_caption);
    const int end = kMargin + layout.left_caption;
    canvas.Text({end - Canvas::TextWidth(text), y + (cell - Canvas::kTextHeight) / 2}, text, kInk);
    if (i < matrix.a.thumbnails.size()) {
      PasteCentred(canvas, matrix.a.thumbnails[i], {end + kGap, y + 1, cell - 2, cell - 2});
    }
  }
  for (size_t j = 0; j < matrix.b.names.size(); ++j) {
    const int x = layout.left + static_cast<int>(j) * cell;
    const std::string text = Canvas::Fit(Caption(matrix.b, j), layout.top_caption);
    const int end = kMargin + layout.top_caption;
    canvas.TextUpwards({x + (cell - Canvas::kTextHeight) / 2, end - 1}, text, kInk);
    if (j < matrix.b.thumbnails.size()) {
      PasteCentred(canvas, matrix.b.thumbnails[j], {x + 1, end + kGap, cell - 2, cell - 2});
    }
  }
}

void DrawScale(Canvas& canvas, const Layout& layout, int columns, std::pair<float, float> range) {
  const int x = layout.left + columns * layout.cell + 3 * kGap;
  const int height = layout.height - kMargin - layout.top;
  canvas.Text({x, layout.top - Canvas::kTextHeight - kGap}, "cosine", kInk);
  for (int y = 0; y < height; ++y) {
    canvas.Fill({x, layout.top + y, kScaleWidth, 1}, ColorOf(1.0 - static_cast<double>(y) / (height - 1)));
  }
  constexpr int kTicks = 5;
  for (int i = 0; i < kTicks; ++i) {
    const double t = static_cast<double>(i) / (kTicks - 1);
    const int y = layout.top + static_cast<int>(std::lround((1 - t) * (height - 1)));
    canvas.Fill({x + kScaleWidth, y, 4, 1}, kFaint);
    const std::string text = fmt::format("{:.2f}", range.first + t * (range.second - range.first));
    const int at =
        std::clamp(y - Canvas::kTextHeight / 2, layout.top - 2, layout.top + height - Canvas::kTextHeight + 2);
    canvas.Text({x + kScaleWidth + kGap, at}, text, kInk);
  }
}

}  // namespace

Result<std::string> MatrixPng(const SimilarityMatrix& matrix, int extent, const std::string& where) {
  const size_t n = matrix.a.names.size(), m = matrix.b.names.size();
  if (n == 0 || m == 0) return NotFound(where, "there is nothing to draw");
  if (n > kMaxDrawn || m > kMaxDrawn) {
    return LimitExceeded(where, fmt::format("a matrix of {} x {} is too large to draw", n, m),
                         "give a name that ends in .npy");
  }
  const auto [low, high] = std::minmax_element(matrix.cosine.begin(), matrix.cosine.end());
  std::pair<float, float> range{*low, *high};
  if (range.second - range.first < 1e-3f) range = {range.first - 0.05f, range.second + 0.05f};

  const Layout layout = Plan(matrix, extent);
  Canvas canvas(layout.width, layout.height, kPaper);
  const bool values = Canvas::TextWidth("-0.00") + 4 <= layout.cell;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < m; ++j) {
      const float value = matrix.cosine[i * m + j];
      const Rgb color = ColorOf((value - range.first) / (range.second - range.first));
      const Rect cell{layout.left + static_cast<int>(j) * layout.cell, layout.top + static_cast<int>(i) * layout.cell,
                      layout.cell - 1, layout.cell - 1};
      canvas.Fill(cell, color);
      if (!values) continue;
      const std::string text = fmt::format("{:.2f}", std::abs(value) < 0.005f ? 0.0f : value);  // never "-0.00"
      canvas.Text(
          {cell.x + (cell.width - Canvas::TextWidth(text)) / 2, cell.y + (cell.height - Canvas::kTextHeight) / 2 + 1},
          text, InkOn(color));
    }
  }
  DrawSides(canvas, matrix, layout);
  DrawScale(canvas, layout, static_cast<int>(m), range);
  return EncodePng(canvas.image());
}

Status DrawMatrix(const SimilarityMatrix& matrix, const std::string& path) {
  constexpr int kExtent = 1600;
  ASSIGN_OR_RETURN(const std::string bytes, MatrixPng(matrix, kExtent, path));
  return WriteFileAtomically(path, bytes);
}

}  // namespace diptych
