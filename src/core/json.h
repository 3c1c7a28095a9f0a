// JSON from untrusted files, and typed access whose errors name the file and the field.
#ifndef DIPTYCH_CORE_JSON_H_
#define DIPTYCH_CORE_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace diptych {

using Json = nlohmann::json;

/// Parses UTF-8 text. Refused: syntax errors (with line and column), nesting deeper than 64, invalid UTF-8,
/// more than 4 million values.
Result<Json> ParseJson(std::string_view text, const std::string& where);

/// Reads and parses a file of at most `max_bytes`.
Result<Json> LoadJson(const std::string& path, size_t max_bytes = size_t{64} << 20);

/// A view of an object that remembers where it is. Missing and null both mean absent: configurations write either.
/// A field of another type is an error, kept until Check() is called, so that a reader lists its fields plainly:
///   JsonReader reader(json, path);
///   config.width = reader.Int("width", 768);
///   RETURN_IF_ERROR(reader.Check());
class JsonReader {
 public:
  JsonReader(const Json& object, std::string where);
  JsonReader(Json&& temporary, std::string where) = delete;

  bool Has(const std::string& key) const;
  int64_t Int(const std::string& key, int64_t missing, int64_t min = 0, int64_t max = int64_t{1} << 40);
  double Double(const std::string& key, double missing);
  bool Bool(const std::string& key, bool missing);
  std::string String(const std::string& key, const std::string& missing);
  std::vector<double> Doubles(const std::string& key, std::vector<double> missing);
  /// The object under `key`, or an empty one. Its errors must be checked on the returned reader.
  JsonReader Object(const std::string& key);
  const Json& json() const { return *object_; }
  const std::string& where() const { return where_; }

  /// The first error met, or OK.
  Status Check() const { return status_; }

 private:
  const Json* Find(const std::string& key) const;
  void Fail(const std::string& key, const std::string& what);
  const Json* object_;
  std::string where_;
  Status status_;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_JSON_H_
