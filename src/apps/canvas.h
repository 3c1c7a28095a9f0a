// A small RGB picture to draw on: rectangles, pictures, text.
#ifndef DIPTYCH_APPS_CANVAS_H_
#define DIPTYCH_APPS_CANVAS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "image/decode.h"

namespace diptych {

using Rgb = std::array<uint8_t, 3>;

struct Point {
  int x = 0, y = 0;
};
struct Rect {
  int x = 0, y = 0, width = 0, height = 0;
};

/// What is drawn outside the canvas is clipped.
class Canvas {
 public:
  static constexpr int kTextHeight = 16;  // pixels of a line of text, its descenders included

  Canvas(int width, int height, Rgb background);

  void Fill(const Rect& rect, Rgb color);
  /// An RGB picture with its top left corner at `at`.
  void Paste(const Image& image, Point at);
  /// Printable ASCII with its top left corner at `at`.
  void Text(Point at, std::string_view text, Rgb color);
  /// The same running upwards, `at` the left end of its first letter's foot.
  void TextUpwards(Point at, std::string_view text, Rgb color);

  const Image& image() const { return image_; }

  static int TextWidth(std::string_view text);
  /// UTF-8 as the font can show it: what is not printable ASCII becomes one "?" a character.
  static std::string Printable(std::string_view text);
  /// Cut to `width` pixels, ".." in the place of what is missing.
  static std::string Fit(std::string_view text, int width);

 private:
  void Blend(Point at, Rgb color, int coverage);  // 0 to 15

  Image image_;
};

}  // namespace diptych

#endif  // DIPTYCH_APPS_CANVAS_H_
