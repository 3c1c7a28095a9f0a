#include "text/html.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "text/unicode.h"

namespace diptych {
namespace {

constexpr size_t kMaxName = 32;        // of html.unescape, the semicolon not counted
constexpr size_t kMaxStrictName = 24;  // of ftfy
constexpr char32_t kMaxCodePoint = 0x10FFFF;

// Names map to the code points; those that need their semicolon contain it.
class Entities {
 public:
  Entities() {
    map_.reserve(2231);
    std::string_view rest = kHtmlEntities;
    while (!rest.empty()) {
      const size_t sign = rest.find_first_of("=*"), end = rest.find(' ', sign);
      const std::string name(rest.substr(0, sign));
      const std::u32string value = ParseValue(rest.substr(sign + 1, end - sign - 1));
      if (rest[sign] == '*') map_.emplace(name, value);
      map_.emplace(name + ';', value);
      rest.remove_prefix(end + 1);
    }
  }

  const std::u32string* Find(const std::string& name) const {
    const auto it = map_.find(name);
    return it == map_.end() ? nullptr : &it->second;
  }

 private:
  static std::u32string ParseValue(std::string_view hex) {
    std::u32string value(1, U'\0');
    for (const char c : hex) {
      if (c == '+') {
        value.push_back(U'\0');
      } else {
        value.back() = value.back() * 16 + static_cast<char32_t>(c <= '9' ? c - '0' : c - 'A' + 10);
      }
    }
    return value;
  }
  std::unordered_map<std::string, std::u32string> map_;
};

const Entities& GetEntities() {
  static const Entities entities;
  return entities;
}

bool IsDigit(char32_t c) {
  return c >= U'0' && c <= U'9';
}
bool IsUpper(char32_t c) {
  return c >= U'A' && c <= U'Z';
}
bool IsLower(char32_t c) {
  return c >= U'a' && c <= U'z';
}
bool IsHexDigit(char32_t c) {
  return IsDigit(c) || (c >= U'a' && c <= U'f') || (c >= U'A' && c <= U'F');
}

// What HTML5 makes of a number: Windows-1252 for 0x80 to 0x9F, nothing for controls and noncharacters.
std::u32string FromNumber(char32_t number) {
  constexpr std::u32string_view kFrom80 = U"€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008DŽ\u008F\u0090‘’“”•–—˜™š›œ\u009DžŸ";
  if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > kMaxCodePoint) return U"\uFFFD";
  if (number >= 0x80 && number <= 0x9F) return std::u32string(1, kFrom80[number - 0x80]);
  const bool control = number < 0x20 && number != U'\t' && number != U'\n' && number != U'\f' && number != U'\r';
  const bool noncharacter = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
  if (control || number == 0x7F || noncharacter) return U"";
  return std::u32string(1, number);
}

// A numeric reference whose "&#" is at `begin`: its end and its value. Nothing if there are no digits.
struct Reference {
  size_t end;
  std::u32string value;
};

std::optional<Reference> ReadNumeric(std::u32string_view text, size_t begin) {
  size_t i = begin + 2;
  const bool hex = i < text.size() && (text[i] == U'x' || text[i] == U'X');
  i += hex ? 1 : 0;
  const size_t digits = i;
  char32_t number = 0;
  for (; i < text.size() && (hex ? IsHexDigit(text[i]) : IsDigit(text[i])); ++i) {
    const char32_t digit = IsDigit(text[i]) ? text[i] - U'0' : (text[i] | 0x20) - U'a' + 10;
    number = std::min(number * (hex ? 16 : 10) + digit, kMaxCodePoint + 1);
  }
  if (i == digits) return std::nullopt;
  if (i < text.size() && text[i] == U';') ++i;
  return Reference{i, FromNumber(number)};
}

// The longest known name at the beginning of what follows the "&" at `begin`.
std::optional<Reference> ReadNamed(std::u32string_view text, size_t begin) {
  const auto ends_name = [](char32_t c) {
    return c == U'\t' || c == U'\n' || c == U'\f' || c == U' ' || c == U'<' || c == U'&' || c == U'#' || c == U';';
  };
  std::string name;
  size_t i = begin + 1;
  for (; i < text.size() && i - begin - 1 < kMaxName && !ends_name(text[i]); ++i) {
    if (text[i] >= 0x80) break;  // no known name goes on
    name.push_back(static_cast<char>(text[i]));
  }
  if (name.empty()) return std::nullopt;
  if (i < text.size() && text[i] == U';') name.push_back(';');
  for (; name.size() > 1; name.pop_back()) {
    if (const std::u32string* value = GetEntities().Find(name)) return Reference{begin + 1 + name.size(), *value};
  }
  return std::nullopt;
}

// str.upper of what an entity stands for.
std::u32string Upper(const std::u32string& value) {
  std::u32string upper;
  for (const char32_t c : value) AppendUpper(upper, c);
  return upper;
}

std::optional<std::u32string> FromCapitals(const std::string& name) {
  const bool capitals = std::none_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (!capitals) return std::nullopt;
  std::u32string reference = U"&";
  reference.append(name.begin(), name.end());
  if (ReadNamed(reference, 0)) return std::nullopt;  // "&GTCC;" would begin with "&GT"
  std::string lower = name;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::u32string* value = GetEntities().Find(lower);
  if (value == nullptr) return std::nullopt;
  return Upper(*value);
}

// A reference at the "&" at `begin` as ftfy reads it: alphanumeric, at most kMaxStrictName long, with its semicolon.
std::optional<Reference> ReadStrict(std::u32string_view text, size_t begin) {
  size_t i = begin + 1;
  const bool numeric = i < text.size() && text[i] == U'#';
  i += numeric ? 1 : 0;
  std::string name;
  const auto is_name = [](char32_t c) { return IsDigit(c) || IsUpper(c) || IsLower(c); };
  while (i < text.size() && name.size() < kMaxStrictName && is_name(text[i])) {
    name.push_back(static_cast<char>(text[i++]));
  }
  if (name.empty() || i >= text.size() || text[i] != U';') return std::nullopt;
  ++i;
  if (numeric) {
    auto reference = ReadNumeric(text, begin);
    const bool whole = reference && reference->end == i && reference->value.find(U';') == std::u32string::npos;
    return whole ? reference : std::nullopt;
  }
  name.push_back(';');
  if (const std::u32string* value = GetEntities().Find(name)) return Reference{i, *value};
  if (auto value = FromCapitals(name)) return Reference{i, *std::move(value)};
  return std::nullopt;
}

template <class Read>
std::u32string Replace(std::u32string_view text, Read read) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    std::optional<Reference> reference;
    if (text[i] == U'&') reference = read(text, i);
    if (reference) {
      out += reference->value;
      i = reference->end;
    } else {
      out.push_back(text[i++]);
    }
  }
  return out;
}

}  // namespace

std::u32string UnescapeHtml(std::u32string_view text) {
  return Replace(text, [](std::u32string_view all, size_t i) {
    const bool numeric = i + 1 < all.size() && all[i + 1] == U'#';
    return numeric ? ReadNumeric(all, i) : ReadNamed(all, i);
  });
}

std::u32string UnescapeHtmlStrictly(std::u32string_view text) {
  return Replace(text, ReadStrict);
}

std::u32string UnescapeHtmlFully(std::u32string_view text) {
  // A reference ends at its first semicolon and holds no "&", so two never overlap, and the order in which they are
  // replaced is of no consequence. Each semicolon that comes is looked back from, over what is already replaced.
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    out.push_back(c);
    if (c != U';') continue;
    const size_t nearest = out.size() - std::min(out.size(), kMaxStrictName + 3);
    const size_t begin = std::u32string_view(out).substr(nearest).rfind(U'&');
    if (begin == std::u32string_view::npos) continue;
    const auto reference = ReadStrict(out, nearest + begin);
    if (!reference || reference->end != out.size()) continue;
    out.resize(nearest + begin);
    out += reference->value;
  }
  return out;
}

}  // namespace diptych
