#include "core/json_scanner.h"

#include <utility>

namespace diptych {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// ASCII that stands for itself in a string.
bool IsPlain(char c) {
  return c >= 0x20 && c != '"' && c != '\\';
}

// Bytes of the UTF-8 sequence at the front of `text`, or 0 where it is malformed (Unicode, table 3-7: overlong forms,
// surrogates and code points above 10FFFF have no encoding).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return continues(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;
    if (lead == 0xed && byte(1) >= 0xa0) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (lead > 0xf4 || (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) >= 0x90)) return 0;
  return continues(1) && continues(2) && continues(3) ? 4 : 0;
}

void AppendUtf8(uint32_t code, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

}  // namespace

bool JsonScanner::Fail(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
  return false;
}

void JsonScanner::SkipSpace() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

char JsonScanner::Peek() {
  SkipSpace();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonScanner::Take(char c) {
  SkipSpace();
  if (at_ == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

bool JsonScanner::Expect(char c) {
  return Take(c) || Fail(std::string("expected '") + c + "'");
}

bool JsonScanner::String(std::string* value) {
  value->clear();
  if (!Take('"')) return Fail("expected a string");
  while (at_ < text_.size()) {
    size_t end = at_;
    while (end < text_.size() && IsPlain(text_[end])) ++end;
    value->append(text_, at_, end - at_);
    at_ = end;
    if (at_ == text_.size()) break;
    const char c = text_[at_];
    if (c == '"') return ++at_, true;
    if (c == '\\') {
      ++at_;
      if (!Escape(value)) return false;
      continue;
    }
    if (static_cast<uint8_t>(c) < 0x20) return Fail("control character in a string");
    const size_t length = Utf8Length(text_.substr(at_));
    if (length == 0) return Fail("invalid UTF-8 in a string");
    value->append(text_.substr(at_, length));
    at_ += length;
  }
  return Fail("a string has no end");
}

bool JsonScanner::Escape(std::string* value) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const char letter = at_ < text_.size() ? text_[at_++] : '\0';
  const size_t simple = kLetters.find(letter);
  if (simple != std::string_view::npos) return value->push_back(kMeanings[simple]), true;
  uint32_t code = 0, low = 0;
  if (letter != 'u' || !CodeUnit(&code)) return Fail("invalid escape in a string");
  if (code >= 0xd800 && code < 0xe000) {  // half of a pair
    const bool paired = code < 0xdc00 && text_.substr(at_, 2) == "\\u" && (at_ += 2, CodeUnit(&low));
    if (!paired || low < 0xdc00 || low >= 0xe000) return Fail("lone surrogate in a string");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  AppendUtf8(code, value);
  return true;
}

bool JsonScanner::CodeUnit(uint32_t* unit) {
  if (text_.size() - at_ < 4) return false;
  *unit = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = text_[at_++];
    const char lower = static_cast<char>(c | 0x20);
    if (IsDigit(c)) {
      *unit = *unit * 16 + static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      *unit = *unit * 16 + static_cast<uint32_t>(lower - 'a' + 10);
    } else {
      return false;
    }
  }
  return true;
}

bool JsonScanner::Unsigned(int64_t* value) {
  SkipSpace();
  const size_t begin = at_;
  *value = 0;
  for (; at_ < text_.size() && IsDigit(text_[at_]); ++at_) {
    if (__builtin_mul_overflow(*value, int64_t{10}, value) ||
        __builtin_add_overflow(*value, int64_t{text_[at_] - '0'}, value)) {
      return Fail("a number is too large");
    }
  }
  const bool leading_zero = at_ - begin > 1 && text_[begin] == '0';
  const bool more = at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E');
  return (at_ > begin && !leading_zero && !more) || Fail("expected a whole number, not negative");
}

bool JsonScanner::SkipNumber() {
  const auto digits = [this] {
    const size_t begin = at_;
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
    return at_ > begin;
  };
  const auto take = [this](char c) { return at_ < text_.size() && text_[at_] == c && (++at_, true); };
  take('-');
  const size_t begin = at_;
  if (!digits() || (at_ - begin > 1 && text_[begin] == '0')) return Fail("expected a value");
  if (take('.') && !digits()) return Fail("a number has no digits behind its point");
  if (take('e') || take('E')) {
    if (!take('-')) take('+');
    if (!digits()) return Fail("a number has no digits in its exponent");
  }
  return true;
}

bool JsonScanner::SkipWord(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return Fail("expected a value");
  at_ += word.size();
  return true;
}

bool JsonScanner::Skip(int depth) {
  SkipSpace();
  if (depth < 0) return Fail("nested too deep");
  std::string ignored;
  switch (at_ < text_.size() ? text_[at_] : '\0') {
    case '"': return String(&ignored);
    case 't': return SkipWord("true");
    case 'f': return SkipWord("false");
    case 'n': return SkipWord("null");
    case '[':
      ++at_;
      if (Take(']')) return true;
      do {
        if (!Skip(depth - 1)) return false;
      } while (Take(','));
      return Expect(']');
    case '{':
      ++at_;
      if (Take('}')) return true;
      do {
        if (!String(&ignored) || !Expect(':') || !Skip(depth - 1)) return false;
      } while (Take(','));
      return Expect('}');
    default: return SkipNumber();
  }
}

bool JsonScanner::End() {
  SkipSpace();
  return at_ == text_.size() || Fail("something follows the last bracket");
}

}  // namespace diptych
