#include "core/json.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/file.h"

namespace diptych {
namespace {

// The parser itself is not recursive, but what walks its result may be.
constexpr int kMaxDepth = 64;
// A value becomes 16 to 100 bytes and more, so that 64 MB of "[[],[],..." would become a gigabyte. The largest
// published tokenizer files have some 2 million.
constexpr size_t kMaxValues = size_t{4} << 20;

const Json& EmptyObject() {
  static const Json* const empty = new Json(Json::object());
  return *empty;
}

struct Extent {
  int depth = 0;      // of brackets, outside strings
  size_t values = 1;  // at most this many
};

Extent Measure(std::string_view text) {
  Extent extent;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      extent.depth = std::max(extent.depth, ++depth);
      ++extent.values;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ',') {
      ++extent.values;
    }
  }
  return extent;
}

// nlohmann's text is "[json.exception.parse_error.101] parse error at line 1, column 2: ...; last read: ...": the tag
// is noise, and what was read last may be megabytes, or not text.
std::string Reason(const std::string& message) {
  constexpr size_t kShown = 200;
  const size_t tag = message.find("] ");
  std::string reason = message.substr(tag == std::string::npos ? 0 : tag + 2, kShown);
  for (char& c : reason) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return reason;
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const std::string& where) {
  const Extent extent = Measure(text);
  if (extent.depth > kMaxDepth) return Corrupt(where, "JSON is nested deeper than 64 levels");
  if (extent.values > kMaxValues) return LimitExceeded(where, "JSON has more than 4 million values");
  try {  // the parser reports only by exception; none passes this line
    return Json::parse(text);
  } catch (const Json::exception& error) {
    return Corrupt(where, "is not valid JSON: " + Reason(error.what()));
  }
}

Result<Json> LoadJson(const std::string& path, size_t max_bytes) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, max_bytes));
  return ParseJson(text, path);
}

JsonReader::JsonReader(const Json& object, std::string where) : object_(&object), where_(std::move(where)) {
  if (!object.is_object()) {
    status_ = Corrupt(where_, std::string("is a JSON ") + object.type_name() + ", an object was expected");
    object_ = &EmptyObject();
  }
}

const Json* JsonReader::Find(const std::string& key) const {
  const auto it = object_->find(key);
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

void JsonReader::Fail(const std::string& key, const std::string& what) {
  if (status_.ok()) status_ = Corrupt(where_, "field \"" + key + "\" " + what);
}

bool JsonReader::Has(const std::string& key) const {
  return Find(key) != nullptr;
}

int64_t JsonReader::Int(const std::string& key, int64_t missing, int64_t min, int64_t max) {
  const Json* value = Find(key);
  if (value == nullptr) return missing;
  if (!value->is_number()) return Fail(key, "is not a number"), missing;
  const double real = value->get<double>();  // also the way in for 224.0; a cast of a huge value would be undefined
  if (!(std::abs(real) < 9e15) || real != std::floor(real)) return Fail(key, "is not a whole number"), missing;
  const int64_t number = static_cast<int64_t>(real);
  if (number < min || number > max) {
    Fail(key, "is " + std::to_string(number) + ", not between " + std::to_string(min) + " and " + std::to_string(max));
    return missing;
  }
  return number;
}

double JsonReader::Double(const std::string& key, double missing) {
  const Json* value = Find(key);
  if (value == nullptr) return missing;
  if (!value->is_number()) return Fail(key, "is not a number"), missing;
  return value->get<double>();
}

bool JsonReader::Bool(const std::string& key, bool missing) {
  const Json* value = Find(key);
  if (value == nullptr) return missing;
  if (!value->is_boolean()) return Fail(key, "is not true or false"), missing;
  return value->get<bool>();
}

std::string JsonReader::String(const std::string& key, const std::string& missing) {
  const Json* value = Find(key);
  if (value == nullptr) return missing;
  if (!value->is_string()) return Fail(key, "is not a string"), missing;
  return value->get<std::string>();
}

std::vector<double> JsonReader::Doubles(const std::string& key, std::vector<double> missing) {
  const Json* value = Find(key);
  if (value == nullptr) return missing;
  if (!value->is_array()) return Fail(key, "is not a list"), missing;
  std::vector<double> numbers;
  for (const Json& item : *value) {
    if (!item.is_number()) return Fail(key, "is not a list of numbers"), missing;
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

JsonReader JsonReader::Object(const std::string& key) {
  const Json* value = Find(key);
  return JsonReader(value == nullptr ? EmptyObject() : *value, where_ + ": " + key);
}

}  // namespace diptych
