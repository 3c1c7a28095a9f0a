#include "text/clip_split.h"

#include <array>
#include <cstdint>

#include "text/unicode.h"

namespace diptych {
namespace {

enum class Kind : uint8_t { kSpace, kLetter, kNumber, kOther };

constexpr std::array<Kind, 128> kAsciiKinds = [] {
  std::array<Kind, 128> kinds{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    kinds[static_cast<size_t>(c)] = letter                 ? Kind::kLetter
                                    : space                ? Kind::kSpace
                                    : c >= '0' && c <= '9' ? Kind::kNumber
                                                           : Kind::kOther;
  }
  return kinds;
}();

struct Character {
  Kind kind;
  size_t bytes;
};

Character CharacterAt(std::string_view text, size_t i, bool ignore_case) {
  const auto byte = static_cast<unsigned char>(text[i]);
  if (byte < 0x80) return {kAsciiKinds[byte], 1};
  size_t end = i;
  const char32_t c = DecodeNext(text, end);
  // Python's regex module, ignoring case, lets U+0345 match neither "a letter", for it is none, nor "no letter", for
  // its upper case is one: it is passed over.
  if (ignore_case && c == 0x345) return {Kind::kSpace, end - i};
  const Kind kind = IsLetter(c)       ? Kind::kLetter
                    : IsNumber(c)     ? Kind::kNumber
                    : IsWhiteSpace(c) ? Kind::kSpace
                                      : Kind::kOther;
  return {kind, end - i};
}

// The bytes of `text` that the literal, in lower case, matches at its beginning; 0: it does not.
size_t MatchLiteral(std::string_view text, std::string_view literal, bool ignore_case) {
  if (!ignore_case) return text.starts_with(literal) ? literal.size() : 0;
  size_t i = 0;
  for (const char c : literal) {
    if (i >= text.size()) return 0;
    const char lower = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (lower == c) {
      ++i;
    } else if (c == 's' && text.substr(i).starts_with("ſ")) {
      i += 2;
    } else {
      return 0;
    }
  }
  return i;
}

size_t MatchContraction(std::string_view text, bool ignore_case) {
  if (text[0] != '\'') return 0;
  for (const std::string_view contraction : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (const size_t bytes = MatchLiteral(text, contraction, ignore_case)) return bytes;
  }
  return 0;
}

size_t WordLength(std::string_view text, const ClipSplitRules& rules) {
  const Character first = CharacterAt(text, 0, rules.ignore_case);
  if (first.kind == Kind::kNumber) return first.bytes;
  if (first.kind == Kind::kOther) {
    for (const std::string_view literal : rules.literals) {
      if (const size_t bytes = MatchLiteral(text, literal, rules.ignore_case)) return bytes;
    }
    if (const size_t bytes = MatchContraction(text, rules.ignore_case)) return bytes;
  }
  size_t end = first.bytes;
  while (end < text.size()) {
    const Character next = CharacterAt(text, end, rules.ignore_case);
    if (next.kind != first.kind) break;
    end += next.bytes;
  }
  return end;
}

}  // namespace

std::string_view NextClipWord(std::string_view& text, const ClipSplitRules& rules) {
  while (!text.empty()) {
    const Character first = CharacterAt(text, 0, rules.ignore_case);
    if (first.kind != Kind::kSpace) break;
    text.remove_prefix(first.bytes);
  }
  if (text.empty()) return text;
  const std::string_view word = text.substr(0, WordLength(text, rules));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace diptych
