#include "apps/canvas.h"

#include <algorithm>
#include <cstddef>

#include "apps/font_data.h"
#include "core/check.h"

namespace diptych {
namespace {

static_assert(Canvas::kTextHeight == kFontHeight);

const FontGlyph& GlyphOf(char c) {
  return kFontGlyphs[c >= ' ' && c <= '~' ? c - ' ' : '?' - ' '];
}

int Coverage(const FontGlyph& glyph, int x, int y) {
  const char digit = glyph.coverage[y * glyph.width + x];
  return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

}  // namespace

Canvas::Canvas(int width, int height, Rgb background) {
  image_.width = width;
  image_.height = height;
  image_.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  Fill({0, 0, width, height}, background);
}

void Canvas::Fill(const Rect& rect, Rgb color) {
  const int right = std::min(image_.width, rect.x + rect.width), bottom = std::min(image_.height, rect.y + rect.height);
  for (int y = std::max(0, rect.y); y < bottom; ++y) {
    for (int x = std::max(0, rect.x); x < right; ++x) Blend({x, y}, color, 15);
  }
}

void Canvas::Paste(const Image& image, Point at) {
  CHECK(image.mode == PixelMode::kRgb);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* pixel = image.pixels.data() + (static_cast<size_t>(y) * image.width + x) * 3;
      Blend({at.x + x, at.y + y}, {pixel[0], pixel[1], pixel[2]}, 15);
    }
  }
}

void Canvas::Text(Point at, std::string_view text, Rgb color) {
  for (const char c : text) {
    const FontGlyph& glyph = GlyphOf(c);
    for (int y = 0; y < kFontHeight; ++y) {
      for (int x = 0; x < glyph.width; ++x) Blend({at.x + x, at.y + y}, color, Coverage(glyph, x, y));
    }
    at.x += glyph.width;
  }
}

void Canvas::TextUpwards(Point at, std::string_view text, Rgb color) {
  for (const char c : text) {
    const FontGlyph& glyph = GlyphOf(c);
    for (int y = 0; y < kFontHeight; ++y) {
      for (int x = 0; x < glyph.width; ++x) Blend({at.x + y, at.y - x}, color, Coverage(glyph, x, y));
    }
    at.y -= glyph.width;
  }
}

int Canvas::TextWidth(std::string_view text) {
  int width = 0;
  for (const char c : text) width += GlyphOf(c).width;
  return width;
}

std::string Canvas::Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte <= '~') {
      out += c;
    } else if (byte < 0x80 || byte >= 0xc0) {  // the first byte of a character
      out += byte < 0x80 ? ' ' : '?';
    }
  }
  return out;
}

std::string Canvas::Fit(std::string_view text, int width) {
  std::string out = Printable(text);
  if (TextWidth(out) <= width) return out;
  while (!out.empty() && TextWidth(out) + TextWidth("..") > width) out.pop_back();
  return out + "..";
}

void Canvas::Blend(Point at, Rgb color, int coverage) {
  if (at.x < 0 || at.y < 0 || at.x >= image_.width || at.y >= image_.height || coverage == 0) return;
  uint8_t* pixel = image_.pixels.data() + (static_cast<size_t>(at.y) * image_.width + at.x) * 3;
  for (int c = 0; c < 3; ++c) {
    pixel[c] = static_cast<uint8_t>((pixel[c] * (15 - coverage) + color[c] * coverage + 7) / 15);
  }
}

}  // namespace diptych
