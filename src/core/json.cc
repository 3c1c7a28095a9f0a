#include "core/json.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/file.h"

namespace diptych {
namespace {

constexpr int kMaxDepth = 64;
const Json kEmptyObject = Json::object();

// The depth of brackets outside strings. The parser itself is not recursive, but what walks its result may be.
int NestingDepth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

// nlohmann's text is "[json.exception.parse_error.101] parse error at line 1, column 2: ...": the tag is noise.
std::string WithoutTag(const std::string& message) {
  const size_t end = message.find("] ");
  return end == std::string::npos ? message : message.substr(end + 2);
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const std::string& where) {
  if (NestingDepth(text) > kMaxDepth) return Corrupt(where, "JSON is nested deeper than 64 levels");
  try {  // the parser reports only by exception; none passes this line
    return Json::parse(text);
  } catch (const Json::exception& error) {
    return Corrupt(where, "is not valid JSON: " + WithoutTag(error.what()));
  }
}

Result<Json> LoadJson(const std::string& path, size_t max_bytes) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, max_bytes));
  return ParseJson(text, path);
}

JsonReader::JsonReader(const Json& object, std::string where) : object_(&object), where_(std::move(where)) {
  if (!object.is_object()) {
    status_ = Corrupt(where_, std::string("is a JSON ") + object.type_name() + ", an object was expected");
    object_ = &kEmptyObject;
  }
}

const Json* JsonReader::Find(const std::string& key) const {
  const auto it = object_->find(key);
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

void JsonReader::Fail(const std::string& key, const std::string& what) {
  if (status_.ok()) status_ = Corrupt(where_, "field \"" + key + "\" " + what);
}

bool JsonReader::Has(const std::string& key) const { return Find(key) != nullptr; }

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
  return JsonReader(value == nullptr ? kEmptyObject : *value, where_ + ": " + key);
}

}  // namespace diptych
