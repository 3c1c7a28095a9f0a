// Options structs -> flags of a command, by visiting them. CLI11 is seen in parser.cc alone.
#ifndef DIPTYCH_CLI_PARSER_H_
#define DIPTYCH_CLI_PARSER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "diptych/options.h"

namespace diptych::cli {

/// What a command is, for its help.
struct CommandHelp {
  const char* name;
  const char* summary;
  const char* example;  // a command line that works
};

/// A visitor of options: each field becomes a flag. The options must outlive Parse().
class Parser {
 public:
  explicit Parser(const CommandHelp& help);
  ~Parser();

  template <class Options>
  void Add(Options& options) {
    options.Visit(*this);
  }

  void operator()(const Field& field, bool& value);
  void operator()(const Field& field, int& value);
  void operator()(const Field& field, double& value);
  void operator()(const Field& field, std::string& value);
  void operator()(const Field& field, std::vector<std::string>& value);
  void operator()(const Field& field, std::optional<double>& value);

  /// Fills the options. An exit code where the command is over: --help was printed, or the usage was wrong (2).
  std::optional<int> Parse(const std::vector<std::string>& arguments);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_PARSER_H_
