#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>

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

utf8proc_category_t Category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

std::u32string Normalize(std::u32string_view text, utf8proc_option_t option) {
  // A code point decomposes canonically into at most four.
  std::u32string out(text.size() * 4, U'\0');
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
    const auto composed = utf8proc_normalize_utf32(reinterpret_cast<utf8proc_int32_t*>(out.data()),
                                                   static_cast<utf8proc_ssize_t>(length),
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
  for (size_t i = 0; i < bytes.size();) {
    const auto byte = static_cast<unsigned char>(bytes[i++]);
    if (byte < 0x80) {
      text.push_back(byte);
      continue;
    }
    Lead lead = LeadOf(byte);
    char32_t value = lead.length == 2 ? byte & 0x1Fu : lead.length == 3 ? byte & 0x0Fu : byte & 0x07u;
    int missing = lead.length - 1;
    while (missing > 0 && i < bytes.size()) {
      const auto next = static_cast<unsigned char>(bytes[i]);
      if (next < lead.low || next > lead.high) break;
      lead.low = 0x80, lead.high = 0xBF;
      value = value << 6 | (next & 0x3Fu);
      --missing, ++i;
    }
    text.push_back(missing == 0 ? value : U'\uFFFD');
  }
  return text;
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

bool IsPunctuation(char32_t c) {
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool IsNonspacingMark(char32_t c) { return Category(c) == UTF8PROC_CATEGORY_MN; }

bool IsOther(char32_t c) {
  const auto category = Category(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

bool IsWhiteSpace(char32_t c) {
  if (c < 0x80) return c == U' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsPythonSpace(char32_t c) { return IsWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

void AppendLower(std::u32string& text, char32_t c) {
  if (c == 0x130) {
    text += U"i\u0307";
  } else {
    text.push_back(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
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
