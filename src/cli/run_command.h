// What every command does around its work: flags parsed, an error told in one line, the exit code.
#ifndef DIPTYCH_CLI_RUN_COMMAND_H_
#define DIPTYCH_CLI_RUN_COMMAND_H_

#include <optional>
#include <string>
#include <type_traits>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/parser.h"
#include "core/status.h"

namespace diptych::cli {

/// Parses `arguments` into Flags and --format and calls work(flags, format), which gives a Status, or a Result<int>
/// where it decides the exit code of a success itself (see Run::Finish). -> the exit code.
template <class Flags, class Format = FormatOptions, class Work>
int RunCommand(const CommandHelp& help, const Arguments& arguments, const Work& work) {
  Flags flags;
  Format format;
  Parser parser(help);
  parser.Add(format);
  parser.Add(flags);
  if (const std::optional<int> code = parser.Parse(arguments)) return *code;
  const auto done = work(flags, format.format);
  if constexpr (std::is_same_v<std::remove_cv_t<decltype(done)>, Status>) {
    return FinishOutput(help.name, done);
  } else {
    return done.ok() ? *done : Fail(help.name, done.status());
  }
}

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_RUN_COMMAND_H_
