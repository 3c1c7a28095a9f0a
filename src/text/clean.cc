#include "text/clean.h"

#include "text/unicode.h"

namespace diptych {
namespace {

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

}  // namespace

std::string CleanText(std::string_view text, TextClean mode) {
  std::u32string points = DecodeUtf8(text);
  if (mode == TextClean::kNone) return EncodeUtf8(points);
  return EncodeUtf8(CollapseSpace(points));
}

}  // namespace diptych
