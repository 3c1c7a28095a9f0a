#include "cli/output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "cli/exit_code.h"
#include "cli/progress_view.h"
#include "core/json.h"

namespace diptych::cli {
namespace {

// One line whatever the path or the message held.
void PrintError(const char* command, const std::string& message) {
  std::string line;
  for (const char c : message) line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  ClearProgressLine();
  std::fprintf(stderr, "diptych %s: %s\n", command, line.c_str());
}

const char* NameOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kInvalidArgument: return "invalid_argument";
    case StatusCode::kNotFound: return "not_found";
    case StatusCode::kCorrupt: return "corrupt";
    case StatusCode::kUnsupported: return "unsupported";
    case StatusCode::kLimitExceeded: return "limit_exceeded";
    case StatusCode::kIoError: return "io_error";
    case StatusCode::kUnavailable: return "unavailable";
    case StatusCode::kCancelled: return "cancelled";
    case StatusCode::kWrongProcess: return "wrong_process";
  }
  return "unknown";
}

}  // namespace

int Fail(const char* command, const Status& status) {
  PrintError(command, status.ToString());
  return status.code() == StatusCode::kInvalidArgument ? kExitUsage : kExitFailure;
}

bool Print(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
}

int FinishOutput(const char* command, const Status& status) {
  if (!status.ok()) return std::fflush(stdout), Fail(command, status);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return kExitOk;
  return Fail(command, IoError("standard output", std::string("cannot be written: ") + std::strerror(errno)));
}

Run::Run(const char* command, const RunOptions& options)
    : command_(command), options_(options), progress_(MakeProgressView(options.progress)) {}

Run::~Run() {
  if (errors_ != nullptr) std::fclose(errors_);
}

Result<std::unique_ptr<Run>> Run::Start(const char* command, const RunOptions& options) {
  std::unique_ptr<Run> run(new Run(command, options));
  if (!options.errors.empty()) {
    run->errors_ = std::fopen(options.errors.c_str(), "we");
    if (run->errors_ == nullptr) {
      return IoError(options.errors, std::string("cannot be written: ") + std::strerror(errno));
    }
  }
  return run;
}

void Run::Connect(Runtime& runtime) {
  runtime.progress = progress_.get();
  runtime.skip = [this](const std::string& path, const Status& reason) { Skip(path, reason); };
}

void Run::Skip(const std::string& path, const Status& reason) {
  const bool named = reason.where().find(path) != std::string::npos;
  PrintError(command_, "skipped " + (named ? "" : path + ": ") + reason.ToString());
  if (errors_ == nullptr) return;
  const std::string line = fmt::format("{{\"path\":{},\"error\":\"{}\",\"reason\":{}}}\n", JsonString(path),
                                       NameOf(reason.code()), JsonString(reason.ToString()));
  std::fwrite(line.data(), 1, line.size(), errors_);
}

int Run::Finish(const RunCounts& counts) {
  bool written = true;
  if (errors_ != nullptr) {
    written = std::ferror(errors_) == 0 && std::fclose(errors_) == 0;
    errors_ = nullptr;
  }
  if (!written) return Fail(command_, IoError(options_.errors, "cannot be written"));
  if (const int code = FinishOutput(command_, Status::Ok()); code != kExitOk) return code;
  if (counts.done + counts.skipped == 0) return Fail(command_, NotFound("", "there was nothing to do"));
  if (counts.skipped == 0) return kExitOk;
  if (counts.done + counts.skipped > 1) {
    PrintError(command_, fmt::format("{} of {} inputs were skipped", WithCommas(counts.skipped),
                                     WithCommas(counts.done + counts.skipped)));
  }
  return counts.done == 0 || options_.strict ? kExitFailure : kExitSkipped;
}

std::string JsonString(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string JsonNumber(float value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + "\"";
}

}  // namespace diptych::cli
