#include "python/options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "python/errors.h"

namespace diptych::python {
namespace {

bool IsHidden(Hidden hidden, const char* name) {
  return std::any_of(hidden.begin(), hidden.end(), [name](const char* one) { return std::string_view(one) == name; });
}

std::string Plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.12g", value);
  return text;
}

std::string Quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

// "a|b" -> Literal["a", "b"]; an option that may be left out is "" too.
std::string Choices(const Field& field, const std::string& value) {
  std::string list = value.empty() ? "\"\"" : "";
  std::string_view rest = field.choices;
  while (!rest.empty()) {
    const size_t bar = std::min(rest.find('|'), rest.size());
    list += (list.empty() ? "" : ", ") + Quoted(rest.substr(0, bar));
    rest.remove_prefix(std::min(bar + 1, rest.size()));
  }
  return "typing.Literal[" + list + "]";
}

// A str, or what os.fspath makes one.
std::optional<std::string> TextOf(nb::handle given) {
  nb::object text = nb::borrow(given);
  if (!PyUnicode_Check(given.ptr()) && nb::hasattr(given, "__fspath__")) {
    text = nb::steal(PyOS_FSPath(given.ptr()));
    if (!text.is_valid()) throw nb::python_error();
  }
  if (!PyUnicode_Check(text.ptr())) return std::nullopt;
  return Utf8(text);
}

}  // namespace

std::string PathText(nb::handle given, const char* name) {
  if (const std::optional<std::string> text = TextOf(given)) return *text;
  RaiseTypeError(std::string(name) + " must be a str or a path, not " + TypeName(given));
}

nb::object Pop(nb::kwargs& keywords, const char* name) {
  PyObject* found = PyDict_GetItemString(keywords.ptr(), name);
  const nb::object value = found == nullptr ? nb::none() : nb::borrow(found);
  if (found != nullptr && PyDict_DelItemString(keywords.ptr(), name) != 0) throw nb::python_error();
  return value;
}

std::optional<nb::handle> KeywordReader::Take(const Field& field) {
  if (IsHidden(hidden_, field.name)) return std::nullopt;
  known_ += (known_.empty() ? "" : ", ") + std::string(field.name);
  PyObject* given = PyDict_GetItemString(keywords_.ptr(), field.name);
  if (given == nullptr) return std::nullopt;
  ++taken_;
  return nb::handle(given);
}

void KeywordReader::WrongType(const Field& field, nb::handle given, const char* wanted) const {
  RaiseTypeError(std::string(function_) + "(): " + field.name + " must be " + wanted + ", not " + TypeName(given));
}

double KeywordReader::Number(const Field& field, nb::handle given) const {
  const double value = PyFloat_AsDouble(given.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    WrongType(field, given, "a number");
  }
  if (value >= field.min && value <= field.max) return value;
  std::string range = "at least " + Plain(field.min);
  if (std::isfinite(field.max)) range = "from " + Plain(field.min) + " to " + Plain(field.max);
  RaiseValueError(std::string(field.name) + ": " + Plain(value) + " is not " + range);
}

void KeywordReader::operator()(const Field& field, bool& value) {
  const std::optional<nb::handle> given = Take(field);
  if (!given) return;
  if (!PyBool_Check(given->ptr())) WrongType(field, *given, "a bool");
  value = given->ptr() == Py_True;
}

void KeywordReader::operator()(const Field& field, int& value) {
  const std::optional<nb::handle> given = Take(field);
  if (!given) return;
  if (PyIndex_Check(given->ptr()) == 0 || PyBool_Check(given->ptr())) WrongType(field, *given, "an int");
  const double number = Number(field, *given);
  constexpr double kMost = 2147483647;
  if (std::abs(number) > kMost) RaiseValueError(std::string(field.name) + ": " + Plain(number) + " is too large");
  value = static_cast<int>(number);
}

void KeywordReader::operator()(const Field& field, double& value) {
  if (const std::optional<nb::handle> given = Take(field)) value = Number(field, *given);
}

void KeywordReader::operator()(const Field& field, std::string& value) {
  const std::optional<nb::handle> given = Take(field);
  if (!given) return;
  const std::optional<std::string> text = TextOf(*given);
  if (!text) WrongType(field, *given, "a str");
  const std::string choices = std::string("|") + field.choices + "|";
  if (*field.choices != '\0' && *text != value && choices.find("|" + *text + "|") == std::string::npos) {
    RaiseValueError(std::string(field.name) + ": " + Quoted(*text) + " is not one of " + field.choices);
  }
  value = *text;
}

void KeywordReader::operator()(const Field& field, std::vector<std::string>& value) {
  const std::optional<nb::handle> given = Take(field);
  if (!given) return;
  value.clear();
  if (const std::optional<std::string> text = TextOf(*given)) {
    value.push_back(*text);
    return;
  }
  if (PySequence_Check(given->ptr()) == 0) WrongType(field, *given, "a str or a sequence of str");
  for (const nb::handle item : nb::borrow(*given)) {
    const std::optional<std::string> text = TextOf(item);
    if (!text) WrongType(field, item, "a str or a sequence of str");
    value.push_back(*text);
  }
}

void KeywordReader::operator()(const Field& field, std::optional<double>& value) {
  const std::optional<nb::handle> given = Take(field);
  if (!given) return;
  if (given->is_none() || given->ptr() == Py_False) {
    value.reset();
  } else {
    value = given->ptr() == Py_True ? field.implied : Number(field, *given);
  }
}

void KeywordReader::Finish() const {
  if (taken_ == keywords_.size()) return;
  for (const auto& [name, value] : keywords_) {
    const std::string given = Utf8(name);
    if ((", " + known_ + ",").find(", " + given + ",") != std::string::npos) continue;
    RaiseTypeError(std::string(function_) + "() has no option '" + given + "'; it takes " + known_);
  }
}

void KeywordWriter::Add(const Field& field, const std::string& type, const std::string& value) {
  if (IsHidden(hidden_, field.name)) return;
  signature_ += std::string(", ") + field.name + ": " + type + " = " + value;
  documentation_ += std::string("    ") + field.name + ": " + field.help + "\n";
}

void KeywordWriter::operator()(const Field& field, const bool& value) {
  Add(field, "bool", value ? "True" : "False");
}

void KeywordWriter::operator()(const Field& field, const int& value) {
  Add(field, "int", std::to_string(value));
}

void KeywordWriter::operator()(const Field& field, const double& value) {
  Add(field, "float", Plain(value));
}

void KeywordWriter::operator()(const Field& field, const std::string& value) {
  Add(field, *field.choices != '\0' ? Choices(field, value) : "str | os.PathLike[str]", Quoted(value));
}

void KeywordWriter::operator()(const Field& field, const std::vector<std::string>&) {
  Add(field, "str | collections.abc.Sequence[str]", "()");
}

void KeywordWriter::operator()(const Field& field, const std::optional<double>&) {
  Add(field, "float | bool | None", "None");
}

}  // namespace diptych::python
