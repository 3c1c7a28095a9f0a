#include "text/clean.h"

#include <algorithm>

#include "text/ftfy.h"
#include "text/html.h"
#include "text/unicode.h"

namespace diptych {
namespace {

// Python's string.punctuation.
bool IsAsciiPunctuation(char32_t c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
}

// Python's " ".join(text.split()).
std::u32string CollapseSpace(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  bool pending = false;
  for (const char32_t c : text) {
    if (IsPythonSpace(c)) {
      pending = !out.empty();
      continue;
    }
    if (pending) out.push_back(U' ');
    pending = false;
    out.push_back(c);
  }
  return out;
}

// Nearly every prompt is ASCII that needs no repair: only white space and case can change. False: not such a text.
bool CleanPlainAscii(std::string_view text, bool lower, std::string& out) {
  out.reserve(text.size());
  bool pending = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r') {
      pending = !out.empty();
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte >= 0x7F || c == '&') return false;
    if (pending) out.push_back(' ');
    pending = false;
    out.push_back(lower && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return true;
}

std::u32string Canonicalize(std::u32string_view text) {
  std::u32string kept;
  kept.reserve(text.size());
  for (const char32_t c : text) {
    if (c == U'_') {
      kept.push_back(U' ');
    } else if (!IsAsciiPunctuation(c)) {
      kept.push_back(c);
    }
  }
  return CollapseSpace(PythonLower(kept));
}

}  // namespace

std::string CleanText(std::string_view text, TextClean mode) {
  if (mode == TextClean::kNone) return EncodeUtf8(DecodeUtf8(text));
  if (mode != TextClean::kCanonicalize) {
    std::string plain;
    if (CleanPlainAscii(text, mode == TextClean::kLower, plain)) return plain;
  }
  const std::u32string fixed = UnescapeHtml(UnescapeHtml(FixText(DecodeUtf8(text))));
  if (mode == TextClean::kCanonicalize) return EncodeUtf8(Canonicalize(fixed));
  const std::u32string collapsed = CollapseSpace(fixed);
  return EncodeUtf8(mode == TextClean::kLower ? PythonLower(collapsed) : collapsed);
}

}  // namespace diptych
