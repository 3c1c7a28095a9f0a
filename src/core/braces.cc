#include "core/braces.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace diptych {
namespace {

using Names = std::vector<std::string>;

constexpr size_t kMaxNames = 100000;
constexpr size_t kMaxPattern = 4096;  // PATH_MAX; also bounds the recursion

struct Range {
  int64_t first, last;
  size_t width;
};

// "000..010"; nothing for what is not a range of numbers.
std::optional<Range> ParseRange(std::string_view text) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const std::string_view a = text.substr(0, dots), b = text.substr(dots + 2);
  const auto number = [](std::string_view digits) -> std::optional<int64_t> {
    if (digits.empty() || digits.size() > 12) return std::nullopt;
    int64_t value = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  const auto first = number(a), last = number(b);
  if (!first || !last) return std::nullopt;
  return Range{*first, *last, a.size()};
}

// The place of the brace that closes text[open].
size_t FindClose(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

// What lies between the commas that are in no inner braces.
Names Split(std::string_view body) {
  Names parts(1);
  int depth = 0;
  for (const char c : body) {
    if (c == '{') ++depth;
    if (c == '}') --depth;
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Status TooMany() {
  return InvalidArgument("", "it stands for more than 100000 names");
}

Status Count(const Range& range, Names* names) {
  if (range.last < range.first) return InvalidArgument("", "its range runs backwards");
  if (static_cast<uint64_t>(range.last - range.first) >= kMaxNames) return TooMany();
  for (int64_t value = range.first; value <= range.last; ++value) {
    std::string digits = std::to_string(value);
    digits.insert(0, range.width > digits.size() ? range.width - digits.size() : 0, '0');
    names->push_back(std::move(digits));
  }
  return Status::Ok();
}

Result<Names> Expand(const std::string& text) {
  for (size_t open = text.find('{'); open != std::string::npos; open = text.find('{', open + 1)) {
    const size_t close = FindClose(text, open);
    if (close == std::string::npos) continue;
    const Names parts = Split(std::string_view(text).substr(open + 1, close - open - 1));
    Names alternatives;
    for (const std::string& part : parts) {
      if (const std::optional<Range> range = ParseRange(part)) {
        RETURN_IF_ERROR(Count(*range, &alternatives));
      } else if (parts.size() > 1) {
        ASSIGN_OR_RETURN(const Names inner, Expand(part));
        alternatives.insert(alternatives.end(), inner.begin(), inner.end());
      }
    }
    if (alternatives.empty()) continue;
    ASSIGN_OR_RETURN(const Names tails, Expand(text.substr(close + 1)));
    if (alternatives.size() * tails.size() > kMaxNames) return TooMany();
    Names all;
    for (const std::string& alternative : alternatives) {
      for (const std::string& tail : tails) all.push_back(text.substr(0, open) + alternative + tail);
    }
    return all;
  }
  return Names{text};
}

}  // namespace

Result<Names> ExpandBraces(const std::string& text) {
  if (text.find('{') == std::string::npos) return Names{text};
  if (text.size() > kMaxPattern) {
    return InvalidArgument(text.substr(0, 60) + "...",
                           "a pattern of more than " + std::to_string(kMaxPattern) + " bytes");
  }
  Result<Names> names = Expand(text);
  return names.ok() ? names : Result<Names>(names.status().Within(text));
}

}  // namespace diptych
