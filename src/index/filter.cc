#include "index/filter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

namespace diptych {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 16;
constexpr int kMaxDepth = 64;         // of parentheses and "not"
constexpr int kMaxComparisons = 500;  // SQLite's own limit is an expression 1,000 deep

// Each field with its expression in both dialects, and whether its values are times or numbers.
struct FieldInfo {
  enum class Type : uint8_t { kText, kNumber, kTime } type;
  const char *name, *sqlite, *postgres;
};
using Type = FieldInfo::Type;
constexpr std::array<FieldInfo, 9> kFields = {{
    {Type::kText, "path", "path", "path"},
    {Type::kText, "name", "replace(path, rtrim(path, replace(path, '/', '')), '')", "regexp_replace(path, '^.*/', '')"},
    {Type::kText, "caption", "caption", "caption"},
    {Type::kNumber, "width", "width", "width"},
    {Type::kNumber, "height", "height", "height"},
    {Type::kNumber, "bytes", "bytes", "bytes"},
    {Type::kNumber, "sharpness", "sharpness", "sharpness"},
    {Type::kTime, "modified", "(modified / 1e9)", "(modified / 1e9)"},
    {Type::kTime, "indexed", "indexed", "indexed"},
}};

const FieldInfo* FindField(std::string_view name) {
  const auto it = std::find_if(kFields.begin(), kFields.end(), [&](const FieldInfo& f) { return name == f.name; });
  return it == kFields.end() ? nullptr : &*it;
}

std::string AllFields() {
  std::string names;
  for (const FieldInfo& field : kFields) names += std::string(field.name) + ", ";
  return names + "meta.KEY";
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_';
}
std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

// "2024-05-31", with " 18:00" or " 18:00:30" or a T between -> seconds since 1970 in UTC.
std::optional<double> ParseTime(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
  const int fields = std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &used);
  if (fields != 3) return std::nullopt;
  const char* rest = text.c_str() + used;
  if (*rest != '\0') {
    if (*rest != ' ' && *rest != 'T') return std::nullopt;
    const int clock = std::sscanf(++rest, "%2d:%2d%n:%2d%n", &hour, &minute, &used, &second, &used);
    if (clock < 2 || rest[used] != '\0') return std::nullopt;
  }
  using namespace std::chrono;  // NOLINT: calendar types
  const year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day)));
  const bool in_day = hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60;
  if (!date.ok() || !in_day) return std::nullopt;
  const auto days = sys_days(date).time_since_epoch();
  return static_cast<double>(duration_cast<seconds>(days).count() + hour * 3600 + minute * 60 + second);
}

}  // namespace

/// Recursive descent; the pieces of SQL come out in the order of the text.
class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : text_(text) {}

  Result<Filter> Parse() {
    RETURN_IF_ERROR(Condition(0));
    Space();
    if (at_ != text_.size()) return Expected("\"and\", \"or\" or the end");
    return std::move(filter_);
  }

 private:
  using Kind = Filter::Piece::Kind;

  Status Expected(const std::string& what) const {
    std::string rest(text_.substr(at_, 20));
    return InvalidArgument("where", "at character " + std::to_string(at_ + 1) + ": expected " + what + ", found " +
                                        (rest.empty() ? "the end" : "\"" + rest + "\""));
  }
  void Space() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  std::string_view PeekWord() {
    Space();
    size_t end = at_;
    while (end < text_.size() && IsWord(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  bool TakeWord(std::string_view word) {
    if (Lower(PeekWord()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool Take(std::string_view symbol) {
    Space();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }
  void Sql(std::string text) { filter_.pieces_.push_back({Kind::kSql, std::move(text)}); }

  Status Condition(int depth) {
    RETURN_IF_ERROR(AndTerm(depth));
    while (TakeWord("or")) {
      Sql(" OR ");
      RETURN_IF_ERROR(AndTerm(depth));
    }
    return Status::Ok();
  }

  Status AndTerm(int depth) {
    RETURN_IF_ERROR(NotTerm(depth));
    while (TakeWord("and")) {
      Sql(" AND ");
      RETURN_IF_ERROR(NotTerm(depth));
    }
    return Status::Ok();
  }

  Status NotTerm(int depth) {
    if (depth > kMaxDepth) return InvalidArgument("where", "is nested deeper than " + std::to_string(kMaxDepth));
    if (TakeWord("not")) {
      Sql("NOT ");
      return NotTerm(depth + 1);
    }
    Sql("(");
    if (Take("(")) {
      RETURN_IF_ERROR(Condition(depth + 1));
      if (!Take(")")) return Expected("\")\"");
    } else {
      RETURN_IF_ERROR(Comparison());
    }
    Sql(")");
    return Status::Ok();
  }

  Status Comparison() {
    if (++comparisons_ > kMaxComparisons) {
      return InvalidArgument("where", "has more than " + std::to_string(kMaxComparisons) + " comparisons");
    }
    Type type = Type::kText;
    RETURN_IF_ERROR(FieldName(&type));
    const bool negated = TakeWord("not");
    if ((any_type_ || type == Type::kText) && TakeWord("like")) {
      filter_.pieces_.push_back({Kind::kSql, negated ? "NOT LIKE" : "LIKE"});
      return ValueOf(Type::kText, /*like=*/true);
    }
    if (TakeWord("in")) {
      Sql(negated ? " NOT IN (" : " IN (");
      if (!Take("(")) return Expected("\"(\"");
      do {
        RETURN_IF_ERROR(ValueOf(type));
        if (!Take(",")) break;
        Sql(", ");
      } while (true);
      if (!Take(")")) return Expected("\",\" or \")\"");
      Sql(")");
      return Status::Ok();
    }
    if (negated) return Expected("\"like\" or \"in\"");
    constexpr std::pair<std::string_view, const char*> kOperators[] = {{"<=", " <= "}, {">=", " >= "}, {"<>", " <> "},
                                                                       {"!=", " <> "}, {"==", " = "},  {"=", " = "},
                                                                       {"<", " < "},   {">", " > "}};
    for (const auto& [symbol, sql] : kOperators) {
      if (!Take(symbol)) continue;
      Sql(sql);
      return ValueOf(type);
    }
    return Expected("=, !=, <, <=, >, >=, \"like\" or \"in\"");
  }

  Status FieldName(Type* type) {
    const std::string name = Lower(PeekWord());
    if (name == "meta" && text_.substr(at_ + 4).starts_with(".")) {
      at_ += 5;
      const size_t begin = at_;
      while (at_ < text_.size() && IsWord(text_[at_])) ++at_;
      if (at_ == begin) return Expected("a key of letters, digits and _");
      filter_.pieces_.push_back({Kind::kKey, std::string(text_.substr(begin, at_ - begin))});
      any_type_ = true;
      return Status::Ok();
    }
    const FieldInfo* field = FindField(name);
    if (field == nullptr) return Expected("one of " + AllFields());
    at_ += name.size();
    filter_.pieces_.push_back({Kind::kField, name});
    *type = field->type;
    any_type_ = false;
    return Status::Ok();
  }

  Status ValueOf(Type type, bool like = false) {
    Space();
    const size_t begin = at_;
    Filter::Value value;
    if (at_ < text_.size() && text_[at_] == '\'') {
      std::string text;
      for (++at_; at_ < text_.size(); ++at_) {
        if (text_[at_] != '\'') {
          text += text_[at_];
        } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
          ++at_;
          text += '\'';
        } else {
          break;
        }
      }
      if (at_ == text_.size()) return at_ = begin, Expected("a text that ends with '");
      ++at_;
      if (type == Type::kTime && !like) {
        const std::optional<double> time = ParseTime(text);
        if (!time) return at_ = begin, Expected("a time such as '2024-05-31 18:00'");
        value = *time;
      } else {
        value = std::move(text);
      }
    } else {
      double number = 0;
      const size_t sign = at_ < text_.size() && text_[at_] == '-' ? 1 : 0;
      const bool starts = at_ + sign < text_.size() && (IsDigit(text_[at_ + sign]) || text_[at_ + sign] == '.');
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
      if (!starts || error != std::errc() || !std::isfinite(number)) return Expected("a number or a 'text'");
      at_ = static_cast<size_t>(end - text_.data());
      value = number;
    }
    const bool is_text = std::holds_alternative<std::string>(value);
    if (!any_type_ && is_text != (type == Type::kText)) {
      return at_ = begin, Expected(type == Type::kText ? "a 'text'" : "a number");
    }
    filter_.pieces_.push_back({Kind::kValue, ""});
    filter_.values_.push_back(std::move(value));
    return Status::Ok();
  }

  std::string_view text_;
  size_t at_ = 0;
  int comparisons_ = 0;
  bool any_type_ = false;  // metadata may hold numbers and texts
  Filter filter_;
};

Result<Filter> Filter::Parse(std::string_view text) {
  if (text.size() > kMaxBytes) return InvalidArgument("where", "is longer than 64 KiB");
  if (text.find('\0') != std::string_view::npos) return InvalidArgument("where", "holds a zero byte");
  return FilterParser(text).Parse();
}

std::string Filter::ToSql(Dialect dialect, int first) const {
  const bool sqlite = dialect == Dialect::kSqlite;
  std::string sql;
  size_t value = 0;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    switch (piece.kind) {
      case Piece::Kind::kSql:
        if (piece.text.ends_with("LIKE")) {  // SQLite's knows no difference between a and A
          sql += sqlite ? " " + piece.text + " " : piece.text == "LIKE" ? " ILIKE " : " NOT ILIKE ";
        } else {
          sql += piece.text;
        }
        break;
      case Piece::Kind::kField: {
        const FieldInfo* field = FindField(piece.text);
        sql += sqlite ? field->sqlite : field->postgres;
        break;
      }
      case Piece::Kind::kKey:  // letters, digits and _ only
        sql += sqlite ? "json_extract(nullif(metadata, ''), '$." + piece.text + "')"
                      : "(nullif(metadata, '')::jsonb ->> '" + piece.text + "')";
        // The value that follows decides what it is compared as.
        if (!sqlite && std::holds_alternative<double>(values_[value])) sql += "::float8";
        break;
      case Piece::Kind::kValue:
        sql += (sqlite ? "?" : "$") + std::to_string(first + static_cast<int>(value));
        if (!sqlite) sql += std::holds_alternative<double>(values_[value]) ? "::float8" : "::text";
        ++value;
        break;
    }
  }
  return sql;
}

}  // namespace diptych
