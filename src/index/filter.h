// Conditions on what a store knows of a picture: "width > 1000 and path like '%2024%'".
//
//   condition   := and_term { "or" and_term }
//   and_term    := not_term { "and" not_term }
//   not_term    := "not" not_term | "(" condition ")" | comparison
//   comparison  := FIELD ( = | == | != | <> | < | <= | > | >= ) VALUE | FIELD [ "not" ] "like" TEXT
//                | FIELD [ "not" ] "in" "(" VALUE { "," VALUE } ")"
//   FIELD       := path | name | caption | width | height | bytes | sharpness | modified | indexed | meta.KEY
//   VALUE       := number | 'text', with '' for a quote
//
// Words are read in any case. modified and indexed are seconds since 1970, or text such as '2024-05-31' or
// '2024-05-31 18:00' (UTC). Whatever else is in the text is an error with its place: nothing of it ever reaches a
// database but field names of this list and bound values.
#ifndef DIPTYCH_INDEX_FILTER_H_
#define DIPTYCH_INDEX_FILTER_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/status.h"

namespace diptych {

/// A condition as SQL with its values apart.
class Filter {
 public:
  using Value = std::variant<double, std::string>;
  enum class Dialect : uint8_t { kSqlite, kPostgres };

  /// Errors (kInvalidArgument): what was expected, and where.
  static Result<Filter> Parse(std::string_view text);

  /// An expression over the columns of a store's pictures; the values stand as ?1, ?2 or $1, $2, counted from `first`.
  std::string ToSql(Dialect dialect, int first = 1) const;
  const std::vector<Value>& values() const { return values_; }

 private:
  friend class FilterParser;
  struct Piece {
    enum class Kind : uint8_t { kSql, kField, kKey, kValue } kind;
    std::string text;  // SQL, a field's name, a metadata key's number or a value's number
  };
  std::vector<Piece> pieces_;
  std::vector<Value> values_;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_FILTER_H_
