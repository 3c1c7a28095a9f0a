#include "cli/progress_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/terminal.h"

namespace diptych::cli {
namespace {

bool bar_is_drawn = false;

// Three digits are enough to tell how fast it goes.
std::string Rate(double rate) {
  return rate >= 100  ? fmt::format("{:.0f}/s", rate)
         : rate >= 10 ? fmt::format("{:.1f}/s", rate)
                      : fmt::format("{:.2f}/s", rate);
}

// One line that is drawn over itself:  ████████▌            412/1,000  78.3/s  8 s left
class Bar : public ProgressSink {
 public:
  void Show(const ProgressState& state) override {
    std::string text = WithCommas(state.done);
    if (state.total) text += "/" + WithCommas(*state.total);
    text += "  " + Rate(state.rate);
    if (state.finished) {
      text += "  " + Duration(static_cast<double>(state.done) / std::max(1e-9, state.rate));
    } else if (state.seconds_left) {
      text += "  " + Duration(*state.seconds_left) + " left";
    }
    const int width = TerminalWidth(stderr, 80);
    std::string line = "\r\x1b[K";
    const int bar = std::min(40, width - static_cast<int>(text.size()) - 4);
    if (state.total && bar >= 8) line += Blocks(Fraction(state), bar) + "  ";
    line += FitText(text, std::max(1, width - 1));
    // A finished bar leaves: what came of the run is on standard output.
    if (state.finished) line += "\n";
    bar_is_drawn = !state.finished;
    std::fwrite(line.data(), 1, line.size(), stderr);
  }

 private:
  static double Fraction(const ProgressState& state) {
    if (*state.total <= 0) return 1;
    return std::clamp(static_cast<double>(state.done) / static_cast<double>(*state.total), 0.0, 1.0);
  }
  static std::string Blocks(double fraction, int width) {
    static const char* const kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int eighths = static_cast<int>(std::lround(fraction * width * 8));
    std::string bar;
    for (int i = 0; i < eighths / 8; ++i) bar += "█";
    bar += kEighths[eighths % 8];
    const int drawn = (eighths + 7) / 8;
    const std::string dim = UseColor(stderr) ? "\x1b[2m" : "", plain = UseColor(stderr) ? "\x1b[0m" : "";
    bar += dim;
    for (int i = drawn; i < width; ++i) bar += "·";
    return bar + plain;
  }
};

// A line every two seconds, for logs.
class Plain : public ProgressSink {
 public:
  void Show(const ProgressState& state) override {
    const auto now = ProgressMeter::Clock::now();
    if (!state.finished && now - last_ < std::chrono::seconds(2)) return;
    last_ = now;
    std::string line = WithCommas(state.done);
    if (state.total) line += " of " + WithCommas(*state.total);
    line += ", " + Rate(state.rate);
    if (!state.finished && state.seconds_left) line += ", " + Duration(*state.seconds_left) + " left";
    std::fprintf(stderr, "%s\n", line.c_str());
  }

 private:
  ProgressMeter::Clock::time_point last_ = ProgressMeter::Clock::now();
};

class JsonLines : public ProgressSink {
 public:
  void Show(const ProgressState& state) override {
    const std::string total = state.total ? std::to_string(*state.total) : "null";
    const std::string left = state.seconds_left ? fmt::format("{:.1f}", *state.seconds_left) : "null";
    const std::string line =
        fmt::format("{{\"progress\":{{\"done\":{},\"total\":{},\"rate\":{:.2f},\"seconds_left\":{}}}}}\n", state.done,
                    total, state.rate, left);
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
};

}  // namespace

std::unique_ptr<ProgressSink> MakeProgressView(const std::string& kind) {
  if (kind == "plain") return std::make_unique<Plain>();
  if (kind == "json") return std::make_unique<JsonLines>();
  // Rows on the same terminal are progress enough, and a bar between them would be torn.
  if (kind == "auto" && IsTerminal(stderr) && !IsTerminal(stdout)) return std::make_unique<Bar>();
  return nullptr;
}

void ClearProgressLine() {
  if (bar_is_drawn) std::fputs("\r\x1b[K", stderr);
  bar_is_drawn = false;
}

std::string WithCommas(int64_t value) {
  std::string text = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

std::string Duration(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(std::min(seconds, 1e9)));
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {} s", total / 60, total % 60);
  return fmt::format("{} h {} min", total / 3600, total % 3600 / 60);
}

}  // namespace diptych::cli
