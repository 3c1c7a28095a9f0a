// The letters of Canvas: printable ASCII, proportional, anti-aliased.
#ifndef DIPTYCH_APPS_FONT_DATA_H_
#define DIPTYCH_APPS_FONT_DATA_H_

namespace diptych {

inline constexpr int kFontHeight = 16;  // pixels; the baseline is under row 11

struct FontGlyph {
  int width;             // pixels, also the advance
  const char* coverage;  // kFontHeight rows of `width` hexadecimal digits, 0 to f
};

extern const FontGlyph kFontGlyphs[95];  // from ' ' to '~'

}  // namespace diptych

#endif  // DIPTYCH_APPS_FONT_DATA_H_
