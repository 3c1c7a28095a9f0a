#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <optional>

#include "core/check.h"

namespace diptych {
namespace {

// The length of a sequence by its lead byte and the range of the byte that follows, which is what excludes overlong
// forms, surrogates and values above U+10FFFF (Unicode, table 3-7). Length 0: not a lead byte.
struct Lead {
  int length;
  unsigned char low, high;
};

Lead LeadOf(unsigned char byte) {
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Reads one code point at i and moves i past it, or past the longest prefix of one.
std::optional<char32_t> DecodeOne(std::string_view bytes, size_t& i) {
  const auto byte = static_cast<unsigned char>(bytes[i++]);
  if (byte < 0x80) return byte;
  Lead lead = LeadOf(byte);
  if (lead.length == 0) return std::nullopt;
  char32_t value = byte & (0x7Fu >> lead.length);
  for (int missing = lead.length - 1; missing > 0; --missing, ++i) {
    if (i == bytes.size()) return std::nullopt;
    const auto next = static_cast<unsigned char>(bytes[i]);
    if (next < lead.low || next > lead.high) return std::nullopt;
    lead.low = 0x80, lead.high = 0xBF;
    value = value << 6 | (next & 0x3Fu);
  }
  return value;
}

utf8proc_category_t Category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool InRanges(char32_t c, std::u32string_view ranges) {
  for (size_t i = 0; i < ranges.size(); i += 2) {
    if (c >= ranges[i] && c <= ranges[i + 1]) return true;
  }
  return false;
}

// Unicode's derived properties Cased and Case_Ignorable, which decide what a final sigma is. The ranges are
// Other_Lowercase and Other_Uppercase; MidLetter, MidNumLet and Single_Quote.
bool IsCased(char32_t c) {
  const auto category = Category(c);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) return true;
  return InRanges(c,
                  U"\u00AA\u00AA\u00BA\u00BA\u02B0\u02B8\u02C0\u02C1\u02E0\u02E4\u0345\u0345\u037A\u037A\u1D2C\u1D6A"
                  U"\u1D78\u1D78\u1D9B\u1DBF\u2071\u2071\u207F\u207F\u2090\u209C\u2160\u217F\u24B6\u24E9\u2C7C\u2C7D"
                  U"\uA69C\uA69D\uA770\uA770\uA7F8\uA7F9\uAB5C\uAB5F\U0001F130\U0001F149\U0001F150\U0001F169"
                  U"\U0001F170\U0001F189");
}

constexpr std::u32string_view kMiddleOfWords =
    U"\u0027\u0027\u002E\u002E\u003A\u003A\u00B7\u00B7\u0387\u0387\u055F\u055F\u05F4\u05F4\u2018\u2019\u2024\u2024"
    U"\u2027\u2027\uFE13\uFE13\uFE52\uFE52\uFE55\uFE55\uFF07\uFF07\uFF0E\uFF0E\uFF1A\uFF1A";

bool IsCaseIgnorable(char32_t c) {
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return InRanges(c, kMiddleOfWords);
  }
}

std::u32string Normalize(std::u32string_view text, utf8proc_option_t option) {
  // A code point decomposes canonically into at most four, for compatibility into at most eighteen.
  std::u32string out(text.size() * ((option & UTF8PROC_COMPAT) != 0 ? 18 : 4), U'\0');
  size_t length = 0;
  for (const char32_t c : text) {
    int boundary = 0;
    const auto written = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c),
                                                 reinterpret_cast<utf8proc_int32_t*>(out.data() + length),
                                                 static_cast<utf8proc_ssize_t>(out.size() - length),
                                                 static_cast<utf8proc_option_t>(option | UTF8PROC_STABLE), &boundary);
    CHECK_GE(written, 0);
    length += static_cast<size_t>(written);
    CHECK_LE(length, out.size());
  }
  out.resize(length);
  // Canonical order: a stable sort of each run of combining marks by its class.
  const auto marks_class = [](char32_t c) {
    return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
  };
  for (size_t i = 0; i < length;) {
    if (out[i] < 0x300 || marks_class(out[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < length && marks_class(out[end]) != 0) ++end;
    std::stable_sort(out.begin() + static_cast<ptrdiff_t>(i), out.begin() + static_cast<ptrdiff_t>(end),
                     [&](char32_t a, char32_t b) { return marks_class(a) < marks_class(b); });
    i = end;
  }
  if ((option & UTF8PROC_COMPOSE) != 0) {
    const auto composed =
        utf8proc_normalize_utf32(reinterpret_cast<utf8proc_int32_t*>(out.data()), static_cast<utf8proc_ssize_t>(length),
                                 static_cast<utf8proc_option_t>(option | UTF8PROC_STABLE));
    CHECK_GE(composed, 0);
    out.resize(static_cast<size_t>(composed));
  }
  return out;
}

}  // namespace

std::u32string DecodeUtf8(std::string_view bytes) {
  std::u32string text;
  text.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) text.push_back(DecodeNext(bytes, i));
  return text;
}

char32_t DecodeNext(std::string_view bytes, size_t& i) {
  return DecodeOne(bytes, i).value_or(U'\uFFFD');
}

bool IsValidUtf8(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    if (!DecodeOne(bytes, i)) return false;
  }
  return true;
}

void AppendUtf8(std::string& bytes, char32_t c) {
  if (c < 0x80) {
    bytes.push_back(static_cast<char>(c));
    return;
  }
  if (c < 0x800) {
    bytes.push_back(static_cast<char>(0xC0 | c >> 6));
  } else {
    if (c < 0x10000) {
      bytes.push_back(static_cast<char>(0xE0 | c >> 12));
    } else {
      bytes.push_back(static_cast<char>(0xF0 | c >> 18));
      bytes.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
    }
    bytes.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
  }
  bytes.push_back(static_cast<char>(0x80 | (c & 0x3F)));
}

std::string EncodeUtf8(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) AppendUtf8(bytes, c);
  return bytes;
}

bool IsAscii(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsLetter(char32_t c) {
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsNumber(char32_t c) {
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsDecimal(char32_t c) {
  return Category(c) == UTF8PROC_CATEGORY_ND;
}

bool IsPunctuation(char32_t c) {
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool IsNonspacingMark(char32_t c) {
  return Category(c) == UTF8PROC_CATEGORY_MN;
}

bool IsWordCharacter(char32_t c) {
  return c == U'_' || IsLetter(c) || IsNumber(c);
}

bool IsOther(char32_t c) {
  const auto category = Category(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

bool IsWhiteSpace(char32_t c) {
  if (c < 0x80) return c == U' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsPythonSpace(char32_t c) {
  return IsWhiteSpace(c) || (c >= 0x1C && c <= 0x1F);
}

void AppendLower(std::u32string& text, char32_t c) {
  if (c == 0x130) {
    text += U"i\u0307";
  } else {
    text.push_back(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

void AppendUpper(std::u32string& text, char32_t c) {
  switch (c) {
    case U'ß': text += U"SS"; return;
    case U'ŉ': text += U"ʼN"; return;
    case U'ﬀ': text += U"FF"; return;
    case U'ﬁ': text += U"FI"; return;
    case U'ﬂ': text += U"FL"; return;
    case U'ﬃ': text += U"FFI"; return;
    case U'ﬄ': text += U"FFL"; return;
    default: text.push_back(static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

std::u32string PythonLower(std::u32string_view text) {
  std::u32string lower;
  lower.reserve(text.size());
  bool cased_before = false;  // the last character that is not case-ignorable is cased
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == U'Σ') {
      size_t next = i + 1;
      if (cased_before) {
        while (next < text.size() && IsCaseIgnorable(text[next])) ++next;
      }
      const bool final = cased_before && (next == text.size() || !IsCased(text[next]));
      lower.push_back(final ? U'ς' : U'σ');
    } else {
      AppendLower(lower, c);
    }
    if (!IsCaseIgnorable(c)) cased_before = IsCased(c);
  }
  return lower;
}

std::u32string Nfkc(std::u32string_view text) {
  return Normalize(text, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
}

std::u32string Nfc(std::u32string_view text) {
  // Below U+0300 nothing combines and nothing is a decomposed form.
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; })) return std::u32string(text);
  return Normalize(text, UTF8PROC_COMPOSE);
}

std::u32string Nfd(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0xC0; })) return std::u32string(text);
  return Normalize(text, UTF8PROC_DECOMPOSE);
}

}  // namespace diptych
