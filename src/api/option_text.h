// Options from "name=value", for callers that have strings alone.
#ifndef DIPTYCH_API_OPTION_TEXT_H_
#define DIPTYCH_API_OPTION_TEXT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/status.h"
#include "diptych/options.h"

namespace diptych {

/// Visits options and writes what the words say. A bool is "true" or "false"; a list's name may come several times.
class OptionText {
 public:
  /// `words` ends with a null pointer; null: none.
  explicit OptionText(const char* const* words);

  void operator()(const Field& field, bool& value);
  void operator()(const Field& field, int& value);
  void operator()(const Field& field, double& value);
  void operator()(const Field& field, std::string& value);
  void operator()(const Field& field, std::vector<std::string>& value);
  void operator()(const Field& field, std::optional<double>& value);

  /// The first thing that was wrong: a word without "=", a name that no field has, a value that is none.
  Status Finish() const;

 private:
  std::optional<std::string> Take(const Field& field);
  std::optional<double> Number(const Field& field);
  void Fail(const Field& field, const std::string& value, const std::string& wanted);

  std::multimap<std::string, std::string> words_;  // those not taken yet
  Status status_;
};

}  // namespace diptych

#endif  // DIPTYCH_API_OPTION_TEXT_H_
