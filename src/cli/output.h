// What commands share: the flags of output, rows on standard output, troubles on standard error, the exit code.
#ifndef DIPTYCH_CLI_OUTPUT_H_
#define DIPTYCH_CLI_OUTPUT_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/runtime.h"
#include "core/progress.h"
#include "core/status.h"
#include "diptych/options.h"

namespace diptych::cli {

struct FormatOptions {
  std::string format = "text";

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "format", .help = "of standard output; json is one object a line", .choices = "text|json|csv"},
          format);
  }
};

/// Of commands that run over many inputs.
struct RunOptions {
  std::string progress = "auto";
  bool strict = false;
  std::string errors;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "progress",
                .help = "on standard error; auto is a bar on a terminal",
                .choices = "auto|plain|json|none"},
          progress);
    visit(Field{.name = "strict", .help = "exit with 1 instead of 3 when inputs were skipped"}, strict);
    visit(Field{.name = "errors",
                .help = "write the skipped inputs and their reasons, an object a line",
                .value = "FILE.jsonl"},
          errors);
  }
};

/// Prints one line, "diptych COMMAND: where: what; hint", and tells the exit code: 2 for kInvalidArgument, else 1.
int Fail(const char* command, const Status& status);

/// Writes to standard output. False when nobody can take it: then there is no point in going on.
bool Print(std::string_view text);

/// Flushes standard output and tells the exit code of a command that either succeeds or fails.
int FinishOutput(const char* command, const Status& status);

/// A run over many inputs as the user sees it: names what is skipped, counts, decides the exit code.
class Run {
 public:
  /// Errors: the file for --errors cannot be written.
  static Result<std::unique_ptr<Run>> Start(const char* command, const RunOptions& options);
  ~Run();

  /// Fills in the members that report to this run.
  void Connect(Runtime& runtime);
  /// Standard output flushed, the errors' file closed -> the exit code.
  int Finish(const RunCounts& counts);

 private:
  Run(const char* command, const RunOptions& options);
  void Skip(const std::string& path, const Status& reason);

  const char* command_;
  RunOptions options_;
  std::unique_ptr<ProgressSink> progress_;
  std::FILE* errors_ = nullptr;
};

/// Text as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

/// A number as JSON, as short as it can be and still be the same float; null for what is not finite.
std::string JsonNumber(float value);

/// A field of CSV (RFC 4180).
std::string CsvField(std::string_view text);

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_OUTPUT_H_
