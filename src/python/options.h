// Options structs as keywords of Python: read, described and documented from the declaration that flags come from.
#ifndef DIPTYCH_PYTHON_OPTIONS_H_
#define DIPTYCH_PYTHON_OPTIONS_H_

#include <nanobind/nanobind.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "diptych/options.h"

namespace diptych::python {

namespace nb = nanobind;

/// A str or what os.fspath makes one. Errors: TypeError.
std::string PathText(nb::handle given, const char* name);

/// Fields that a function takes in another way, or not at all.
using Hidden = std::span<const char* const>;

/// Takes the keywords that name fields; Finish() raises TypeError for what is left. Wrong types are TypeError, values
/// out of range ValueError.
class KeywordReader {
 public:
  KeywordReader(const char* function, nb::kwargs keywords, Hidden hidden)
      : function_(function), keywords_(std::move(keywords)), hidden_(hidden) {}

  void operator()(const Field& field, bool& value);
  void operator()(const Field& field, int& value);
  void operator()(const Field& field, double& value);
  void operator()(const Field& field, std::string& value);
  void operator()(const Field& field, std::vector<std::string>& value);
  void operator()(const Field& field, std::optional<double>& value);

  void Finish() const;

 private:
  std::optional<nb::handle> Take(const Field& field);
  double Number(const Field& field, nb::handle given) const;
  [[noreturn]] void WrongType(const Field& field, nb::handle given, const char* wanted) const;

  const char* function_;
  nb::kwargs keywords_;
  Hidden hidden_;
  size_t taken_ = 0;
  std::string known_;
};

/// ", top: int = 5, ..." and a line of text a field.
class KeywordWriter {
 public:
  explicit KeywordWriter(Hidden hidden) : hidden_(hidden) {}

  void operator()(const Field& field, const bool& value);
  void operator()(const Field& field, const int& value);
  void operator()(const Field& field, const double& value);
  void operator()(const Field& field, const std::string& value);
  void operator()(const Field& field, const std::vector<std::string>& value);
  void operator()(const Field& field, const std::optional<double>& value);

  const std::string& signature() const { return signature_; }
  const std::string& documentation() const { return documentation_; }

 private:
  void Add(const Field& field, const std::string& type, const std::string& value);

  Hidden hidden_;
  std::string signature_, documentation_;
};

template <class... Options>
void ReadKeywords(const char* function, nb::kwargs keywords, Hidden hidden, Options&... options) {
  KeywordReader reader(function, std::move(keywords), hidden);
  (options.Visit(reader), ...);
  reader.Finish();
}

/// How a function looks but for its options: "self, text: str", "progress: bool | None = None" (may be empty),
/// "list[int]".
struct Shape {
  const char* name;
  std::string arguments, keywords, result;
  const char* doc;
};

/// Takes a keyword out that is no option; None where it is not given.
nb::object Pop(nb::kwargs& keywords, const char* name);

/// A signature and a docstring for nanobind; the strings must outlive the definition only.
struct Description {
  std::string signature, doc;
};

template <class... Options>
Description Describe(const Shape& shape, Hidden hidden = {}) {
  KeywordWriter writer(hidden);
  (Options{}.Visit(writer), ...);
  std::string signature = std::string("def ") + shape.name + "(" + shape.arguments;
  signature += shape.arguments.empty() ? "*" : ", *";
  if (!shape.keywords.empty()) signature += ", " + shape.keywords;
  signature += writer.signature() + ") -> " + shape.result;
  return {std::move(signature),
          std::string(shape.doc) + "\n\nOptions, as on the command line:\n" + writer.documentation()};
}

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_OPTIONS_H_
