#include "cli/classify_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/output.h"
#include "cli/terminal.h"

namespace diptych::cli {
namespace {

constexpr int kMaxLabelWidth = 32;
constexpr int kMaxBarWidth = 50;

// Eighths of a column, so that small differences show.
std::string Bar(double fraction, int width) {
  static const char* const kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * width * 8));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

}  // namespace

std::string ClassificationText(const Classification& result, const BarStyle& style) {
  const auto paint = [&](const char* code, const std::string& text) {
    return style.color ? std::string("\x1b[") + code + "m" + text + "\x1b[0m" : text;
  };
  int label_width = 0;
  for (const Prediction& one : result.predictions) label_width = std::max(label_width, DisplayWidth(one.label));
  label_width = std::clamp(label_width, 1, std::clamp(style.width / 2 - 8, 1, kMaxLabelWidth));
  const int bar_width = std::clamp(style.width - label_width - 14, 8, kMaxBarWidth);

  const bool rejected = result.rejected.value_or(false);
  // A name that is wider than the terminal stays whole: it may be copied from there.
  std::string text = paint("1", FitText(result.path, 1 << 20));
  if (rejected) text += paint("33", "  none of these");
  text += "\n";
  for (size_t i = 0; i < result.predictions.size(); ++i) {
    const Prediction& one = result.predictions[i];
    const char* const color = rejected ? "2" : i == 0 ? "32" : "36";
    text += "  " + PadText(one.label, label_width) + fmt::format("  {:5.1f} %  ", 100 * one.probability);
    const std::string bar = Bar(one.probability, bar_width);
    text += (bar.empty() ? "" : paint(color, bar)) + "\n";
  }
  return text;
}

std::string ClassificationJson(const Classification& result) {
  std::string line = "{\"path\":" + JsonString(result.path) + ",\"predictions\":[";
  for (size_t i = 0; i < result.predictions.size(); ++i) {
    const Prediction& one = result.predictions[i];
    line += fmt::format("{}{{\"label\":{},\"probability\":{},\"logit\":{}}}", i == 0 ? "" : ",", JsonString(one.label),
                        JsonNumber(static_cast<float>(one.probability)), JsonNumber(static_cast<float>(one.logit)));
  }
  line += "]";
  if (result.rejected) {
    line += fmt::format(",\"rejected\":{},\"in_list\":{}", *result.rejected,
                        JsonNumber(static_cast<float>(*result.in_list)));
  }
  return line + "}\n";
}

std::string ClassificationCsvHeader(bool with_rejected) {
  return std::string("path,rank,label,probability,logit") + (with_rejected ? ",rejected\n" : "\n");
}

std::string ClassificationCsv(const Classification& result) {
  std::string lines;
  for (size_t i = 0; i < result.predictions.size(); ++i) {
    const Prediction& one = result.predictions[i];
    lines += fmt::format("{},{},{},{},{}", CsvField(result.path), i + 1, CsvField(one.label),
                         JsonNumber(static_cast<float>(one.probability)), JsonNumber(static_cast<float>(one.logit)));
    if (result.rejected) lines += fmt::format(",{}", *result.rejected);
    lines += "\n";
  }
  return lines;
}

}  // namespace diptych::cli
