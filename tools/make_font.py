#!/usr/bin/env python3
"""Draws printable ASCII in DejaVu Sans at 13 pixels with Pillow and writes src/apps/font_data.cc: four bits of coverage
a pixel, as hexadecimal digits. Usage: make_font.py DejaVuSans.ttf"""

import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont

SIZE, HEIGHT, BASELINE = 13, 16, 12
font = ImageFont.truetype(sys.argv[1], SIZE)
lines = []
for code in range(32, 127):
    width = max(1, round(font.getlength(chr(code))))
    glyph = Image.new("L", (width, HEIGHT), 0)
    ImageDraw.Draw(glyph).text((0, BASELINE), chr(code), 255, font=font, anchor="ls")
    digits = "".join("%x" % ((value * 15 + 127) // 255) for value in glyph.tobytes())
    pieces = [digits[i : i + 104] for i in range(0, len(digits), 104)]
    lines.append("    {%d,\n" % width + "\n".join('     "%s"' % piece for piece in pieces) + "},")
target = pathlib.Path(__file__).resolve().parent.parent / "src" / "apps" / "font_data.cc"
target.write_text(
    """// Made by tools/make_font.py from DejaVu Sans (Bitstream Vera licence: free to copy, embed and redistribute).
#include "apps/font_data.h"

namespace diptych {

const FontGlyph kFontGlyphs[95] = {
"""
    + "\n".join(lines)
    + "\n};\n\n}  // namespace diptych\n"
)
