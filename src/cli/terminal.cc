#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace diptych::cli {
namespace {

// One code point at text[at], and past it; a byte that begins none counts as itself.
uint32_t NextCodePoint(std::string_view text, size_t* at) {
  const auto lead = static_cast<unsigned char>(text[*at]);
  const size_t length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  if (length == 1 || *at + length > text.size()) return ++*at, lead < 0x80 ? lead : 0xfffd;
  uint32_t code = lead & (0xffu >> (length + 1));
  for (size_t k = 1; k < length; ++k) code = code << 6 | (static_cast<unsigned char>(text[*at + k]) & 0x3f);
  *at += length;
  return code;
}

int WidthOf(uint32_t code) {
  if ((code >= 0x300 && code < 0x370) || (code >= 0x200b && code < 0x2010) || (code >= 0xfe00 && code < 0xfe10) ||
      (code >= 0x20d0 && code < 0x2100)) {
    return 0;
  }
  const bool wide =
      (code >= 0x1100 && code < 0x1160) || (code >= 0x2e80 && code < 0xa4d0) || (code >= 0xac00 && code < 0xd7a4) ||
      (code >= 0xf900 && code < 0xfb00) || (code >= 0xfe30 && code < 0xfe70) || (code >= 0xff00 && code < 0xff61) ||
      (code >= 0x1f300 && code < 0x1f650) || (code >= 0x1f900 && code < 0x1fa00) || (code >= 0x20000 && code < 0x3fffe);
  return wide ? 2 : 1;
}

}  // namespace

bool IsTerminal(std::FILE* stream) {
  return ::isatty(::fileno(stream)) == 1;
}

int TerminalWidth(std::FILE* stream, int missing) {
  winsize size{};
  if (!IsTerminal(stream) || ::ioctl(::fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return missing;
  return size.ws_col;
}

bool UseColor(std::FILE* stream) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return IsTerminal(stream) && (no_color == nullptr || *no_color == '\0') &&
         (term == nullptr || std::strcmp(term, "dumb") != 0);
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) width += WidthOf(NextCodePoint(text, &at));
  return width;
}

std::string FitText(std::string_view text, int width) {
  const bool fits = DisplayWidth(text) <= width;
  std::string out;
  int used = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const uint32_t code = NextCodePoint(text, &at);
    if (!fits && used + WidthOf(code) > width - 1) return width > 0 ? out + "…" : out;
    used += WidthOf(code);
    if (code < 0x20 || code == 0x7f) {
      out += ' ';
    } else {
      out += text.substr(begin, at - begin);
    }
  }
  return out;
}

std::string PadText(std::string_view text, int width) {
  std::string out = FitText(text, width);
  out.append(static_cast<size_t>(std::max(0, width - DisplayWidth(out))), ' ');
  return out;
}

}  // namespace diptych::cli
