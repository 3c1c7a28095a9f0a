#include "cli/download_view.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/progress_view.h"
#include "cli/terminal.h"

namespace diptych::cli {
namespace {

using Clock = std::chrono::steady_clock;

// "open_clip_model.safetensors  123 of 605 MB  20.3 MB/s  24 s left"
class DownloadLine {
 public:
  void Show(const hub::SnapshotOptions::Progress& progress) {
    const Clock::time_point now = Clock::now();
    const bool done = progress.bytes >= progress.bytes_total;
    if (!done && now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double megabytes = 1e-6 * static_cast<double>(progress.bytes), rate = megabytes / std::max(seconds, 1e-3);
    const double total = 1e-6 * static_cast<double>(progress.bytes_total);
    std::string line = fmt::format("{}  {:.0f} of {:.0f} MB  {:.1f} MB/s", progress.file, megabytes, total, rate);
    if (!done && rate > 0) line += "  " + Duration((total - megabytes) / rate) + " left";
    line = "\r\x1b[K" + FitText(line, TerminalWidth(stderr, 80) - 1) + (done ? "\n" : "");
    std::fwrite(line.data(), 1, line.size(), stderr);
  }

 private:
  Clock::time_point start_ = Clock::now(), shown_;
};

}  // namespace

ResolveOptions WithDownloadView(ResolveOptions options) {
  if (!IsTerminal(stderr)) return options;
  const auto line = std::make_shared<DownloadLine>();
  options.progress = [line](const hub::SnapshotOptions::Progress& progress) { line->Show(progress); };
  return options;
}

}  // namespace diptych::cli
