#include "text/ftfy.h"

#include <algorithm>
#include <array>

#include "text/html.h"
#include "text/mojibake.h"
#include "text/unicode.h"

namespace diptych {
namespace {

constexpr size_t kMaxSegment = 1000000;

// Each pass takes one level off "&amp;amp;amp;", whose depth only the text's length bounds. After this many, all levels
// go at once, with the same result.
constexpr int kMaxEntityPasses = 4;

// How often a text may be looked at (FixEncoding's budget) while repairs uncover repairs: real texts need about five
// looks. Short ones are repaired to the end whatever they hold; long ones in linear time.
constexpr size_t kLooks = 6, kFreeCharacters = size_t{1} << 18;

std::u32string_view LatinLigature(char32_t c) {
  switch (c) {
    case U'Ĳ': return U"IJ";
    case U'ĳ': return U"ij";
    case U'ŉ': return U"ʼn";
    case U'Ǳ': return U"DZ";
    case U'ǲ': return U"Dz";
    case U'ǳ': return U"dz";
    case U'Ǆ': return U"DŽ";
    case U'ǅ': return U"Dž";
    case U'ǆ': return U"dž";
    case U'Ǉ': return U"LJ";
    case U'ǈ': return U"Lj";
    case U'ǉ': return U"lj";
    case U'Ǌ': return U"NJ";
    case U'ǋ': return U"Nj";
    case U'ǌ': return U"nj";
    case U'ﬀ': return U"ff";
    case U'ﬁ': return U"fi";
    case U'ﬂ': return U"fl";
    case U'ﬃ': return U"ffi";
    case U'ﬄ': return U"ffl";
    case U'ﬅ': return U"ſt";
    case U'ﬆ': return U"st";
    default: return {};
  }
}

// Half and full width forms in their standard width.
const std::array<std::u32string, 0xFFF0 - 0xFF01>& StandardWidths() {
  static const auto table = [] {
    std::array<std::u32string, 0xFFF0 - 0xFF01> made;
    for (char32_t c = 0xFF01; c < 0xFFF0; ++c) made[c - 0xFF01] = Nfkc(std::u32string_view(&c, 1));
    return made;
  }();
  return table;
}

// C1 controls, ligatures, widths and quotation marks, all of them character by character.
void AppendPlain(std::u32string& out, char32_t c) {
  if (c >= 0x80 && c < 0xA0) c = FromC1(c);
  if (c < 0x130) {
    out.push_back(c);
  } else if (const std::u32string_view letters = LatinLigature(c); !letters.empty()) {
    for (const char32_t letter : letters) AppendPlain(out, letter);
  } else if (c == 0x02BC || (c >= 0x2018 && c <= 0x201B)) {
    out.push_back(U'\'');
  } else if (c >= 0x201C && c <= 0x201F) {
    out.push_back(U'"');
  } else if (c == 0x3000) {
    out.push_back(U' ');
  } else if (c >= 0xFF01 && c < 0xFFF0) {
    out += StandardWidths()[c - 0xFF01];
  } else {
    out.push_back(c);
  }
}

void FixLineBreaks(std::u32string& text) {
  size_t length = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char32_t c = text[i];
    if (c == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n') continue;
    if (c == U'\r' || c == 0x2028 || c == 0x2029 || c == 0x85) c = U'\n';
    text[length++] = c;
  }
  text.resize(length);
}

bool IsUnwantedControl(char32_t c) {
  if (c < 0x20) return c <= 0x08 || c == 0x0B || c >= 0x0E;
  return c == 0x7F || (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

// The length of a terminal's escape sequence at i: ESC [ digits and semicolons, a letter. 0: none.
size_t EscapeLength(std::u32string_view text, size_t i) {
  if (text[i] != 0x1B || i + 1 >= text.size() || text[i + 1] != U'[') return 0;
  size_t end = i + 2;
  while (end < text.size() && (text[end] == U';' || IsDecimal(text[end]))) ++end;
  if (end == text.size()) return 0;
  const char32_t letter = text[end] | 0x20;
  return letter >= U'a' && letter <= U'z' ? end + 1 - i : 0;
}

void RemoveControls(std::u32string& text) {
  size_t length = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t escape = EscapeLength(text, i);
    if (escape == 0 && !IsUnwantedControl(text[i])) text[length++] = text[i];
    i += std::max<size_t>(escape, 1);
  }
  text.resize(length);
}

std::u32string FixSegment(std::u32string text, bool unescape, size_t& budget) {
  for (int pass = 0;; ++pass) {
    std::u32string fixed = text;
    if (unescape) fixed = pass < kMaxEntityPasses ? UnescapeHtmlStrictly(text) : UnescapeHtmlFully(text);
    fixed = FixEncoding(std::move(fixed), budget);
    std::u32string plain;
    plain.reserve(fixed.size());
    for (const char32_t c : fixed) AppendPlain(plain, c);
    FixLineBreaks(plain);
    RemoveControls(plain);
    fixed = Nfc(plain);
    if (fixed == text || fixed.size() > budget) return fixed;
    text = std::move(fixed);
  }
}

}  // namespace

std::u32string FixText(std::u32string_view text) {
  std::u32string out;
  size_t budget = kFreeCharacters;
  bool unescape = true;
  while (!text.empty()) {
    size_t length = std::min(text.find(U'\n'), text.size() - 1) + 1;
    length = std::min(length, kMaxSegment);
    const std::u32string_view segment = text.substr(0, length);
    unescape = unescape && segment.find(U'<') == std::u32string_view::npos;  // from the first "<" on, it is markup
    budget += kLooks * segment.size();
    out += FixSegment(std::u32string(segment), unescape, budget);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace diptych
