#include "apps/train_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace diptych {
namespace {

constexpr int kWidth = 460, kHeight = 220;
constexpr int kLeft = 52, kRight = 12, kTop = 12, kBottom = 28;
constexpr size_t kMostPoints = 600;  // more than a plot has pixels serves nobody

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1d2733; --soft: #6b7785; --paper: #ffffff; --card: #f6f8fa; --line: #d8dee4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #8b98a5; --paper: #0d1117; --card: #161b22; --line: #30363d; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
       max-width: 1000px; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px;
         display: flex; flex-direction: column; justify-content: space-between; }
figcaption { font-weight: 600; margin-bottom: 4px; }
figcaption span { font-weight: 400; color: var(--soft); margin-right: 1em; font-size: .9em; display: inline-block; }
svg { width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 11px; } svg .grid { stroke: var(--line); }
table { border-collapse: collapse; } td { padding: 2px 18px 2px 0; vertical-align: top; }
td:first-child { color: var(--soft); } td { font-variant-numeric: tabular-nums; }
img { max-width: 100%; border-radius: 6px; } details { margin-top: 2rem; } summary { cursor: pointer; }
)";

constexpr const char* kColors[] = {"#2f81f7", "#d29922", "#3fb950", "#db61a2", "#8957e5", "#f85149"};

// A plot's lines: metrics that belong together.
struct Line {
  std::string label;
  Curve points;
  bool faint = false;
};
struct Plot {
  std::string title;
  std::vector<Line> lines;
};

std::string Escape(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&': html += "&amp;"; break;
      case '<': html += "&lt;"; break;
      case '>': html += "&gt;"; break;
      case '"': html += "&quot;"; break;
      default: html += c;
    }
  }
  return html;
}

Curve Finite(const Curve& curve) {
  Curve kept;
  for (const auto& point : curve) {
    if (std::isfinite(point.second)) kept.push_back(point);
  }
  return kept;
}

// As many points as are worth drawing: the mean of each stretch.
Curve Thin(const Curve& curve) {
  if (curve.size() <= kMostPoints) return curve;
  Curve thin;
  for (size_t i = 0; i < kMostPoints; ++i) {
    const size_t begin = curve.size() * i / kMostPoints, end = curve.size() * (i + 1) / kMostPoints;
    double sum = 0;
    for (size_t j = begin; j < end; ++j) sum += curve[j].second;
    thin.emplace_back(curve[(begin + end) / 2].first, sum / static_cast<double>(end - begin));
  }
  return thin;
}

// An exponential average over about a fiftieth of the run.
Curve Smooth(const Curve& curve) {
  const double weight = 1.0 / std::max(1.0, static_cast<double>(curve.size()) / 50.0);
  Curve smooth;
  double mean = curve.empty() ? 0 : curve[0].second;
  for (const auto& [step, value] : curve) {
    mean += weight * (value - mean);
    smooth.emplace_back(step, mean);
  }
  return smooth;
}

// Round numbers between low and high, about four of them, no closer to each other than `closest`.
std::vector<double> Ticks(double low, double high, double closest = 0) {
  const double rough = std::max((high - low) / 4, closest), power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    step = factor * power;
    if (step >= rough) break;
  }
  std::vector<double> ticks;
  for (double tick = std::ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) {
    ticks.push_back(std::abs(tick) < step * 1e-9 ? 0.0 : tick);
  }
  return ticks;
}

struct Frame {
  double first = std::numeric_limits<double>::max(), last = std::numeric_limits<double>::lowest();
  double low = std::numeric_limits<double>::max(), high = std::numeric_limits<double>::lowest();

  void Include(const Curve& curve) {
    for (const auto& [step, value] : curve) {
      first = std::min(first, static_cast<double>(step));
      last = std::max(last, static_cast<double>(step));
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  void Widen() {
    if (last <= first) last = first + 1;
    const double margin = high > low ? 0.05 * (high - low) : std::max(1e-9, 0.1 * std::abs(high));
    low -= margin;
    high += margin;
  }
  double X(double step) const { return kLeft + (step - first) / (last - first) * (kWidth - kLeft - kRight); }
  double Y(double value) const { return kTop + (high - value) / (high - low) * (kHeight - kTop - kBottom); }
};

std::string Polyline(const Frame& frame, const Line& line, const char* color) {
  std::string points;
  for (const auto& [step, value] : line.points) {
    points += fmt::format("{:.1f},{:.1f} ", frame.X(static_cast<double>(step)), frame.Y(value));
  }
  std::string svg =
      fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-opacity=\"{}\" points=\"{}\"/>\n",
                  color, line.faint ? 1 : 2, line.faint ? 0.3 : 1.0, points);
  if (line.points.size() > 30) return svg;
  for (const auto& [step, value] : line.points) {  // few enough to be told apart
    svg += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"><title>step {}: {:.4g}</title>"
        "</circle>\n",
        frame.X(static_cast<double>(step)), frame.Y(value), color, step, value);
  }
  return svg;
}

std::string PlotSvg(const Plot& plot) {
  Frame frame;
  for (const Line& line : plot.lines) frame.Include(line.points);
  frame.Widen();
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight, Escape(plot.title));
  for (const double tick : Ticks(frame.low, frame.high)) {
    const double y = frame.Y(tick);
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kLeft,
                       kWidth - kRight, y, y);
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>\n", kLeft - 6, y + 4, tick);
  }
  for (const double tick : Ticks(frame.first, frame.last, /*closest=*/1)) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.6g}</text>\n", frame.X(tick), kHeight - 8,
                       tick);
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">step</text>\n", kLeft - 20, kHeight - 8);
  size_t color = 0;
  for (const Line& line : plot.lines) {
    svg += Polyline(frame, line, kColors[color % std::size(kColors)]);
    if (!line.faint) ++color;  // a smoothed line has the colour of the faint one before it
  }
  return svg + "</svg>";
}

std::string Figure(const Plot& plot) {
  std::string legend;
  size_t color = 0;
  for (const Line& line : plot.lines) {
    if (line.faint) continue;
    const double last = line.points.empty() ? 0 : line.points.back().second;
    const char* line_color = kColors[color++ % std::size(kColors)];
    const std::string key = line.label.empty() ? "at the end"
                                               : fmt::format("<b style=\"color:{}\">&#9632;</b> {}", line_color,
                                                             Escape(line.label));
    legend += fmt::format("<span>{} {:.4g}</span>", key, last);
  }
  return fmt::format("<figure><figcaption>{}<br>{}</figcaption>\n{}</figure>\n", Escape(plot.title), legend,
                     PlotSvg(plot));
}

// The metrics whose names begin with `prefix`, labelled by what follows.
std::vector<Line> LinesOf(const std::map<std::string, Curve>& curves, const std::string& prefix) {
  std::vector<Line> lines;
  for (const auto& [name, curve] : curves) {
    const Curve points = Thin(Finite(curve));
    if (name.starts_with(prefix) && !points.empty()) lines.push_back({name.substr(prefix.size()), points});
  }
  return lines;
}

std::vector<Plot> PlotsOf(const std::map<std::string, Curve>& curves) {
  std::vector<Plot> plots;
  const auto add = [&](const std::string& title, std::vector<Line> lines) {
    if (!lines.empty()) plots.push_back({title, std::move(lines)});
  };
  std::vector<Line> loss;
  if (const auto it = curves.find("loss"); it != curves.end() && !Finite(it->second).empty()) {
    const Curve all = Finite(it->second);
    loss.push_back({"", Thin(all), true});
    loss.push_back({"training", Thin(Smooth(all))});
  }
  for (Line& line : LinesOf(curves, "val/loss/")) {
    line.label = "validation " + line.label;
    loss.push_back(std::move(line));
  }
  add("Loss", std::move(loss));
  add("Zero-shot accuracy", LinesOf(curves, "val/top1/"));
  add("Retrieval, recall", LinesOf(curves, "val/recall/"));
  for (const auto& [name, title] :
       {std::pair("logit_scale", "Logit scale"), std::pair("lr", "Learning rate"),
        std::pair("gradient_norm", "Gradient norm"), std::pair("pairs_per_s", "Pairs a second")}) {
    std::vector<Line> lines;
    if (const auto it = curves.find(name); it != curves.end() && !Finite(it->second).empty()) {
      lines.push_back({"", Thin(Finite(it->second))});
    }
    add(title, std::move(lines));
  }
  return plots;
}

std::string Table(std::span<const std::pair<std::string, std::string>> rows) {
  std::string html = "<table>\n";
  for (const auto& [name, value] : rows) {
    html += "<tr><td>" + Escape(name) + "</td><td>" + Escape(value) + "</td></tr>\n";
  }
  return html + "</table>\n";
}

}  // namespace

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? kAlphabet[(group >> (18 - 6 * j)) & 63] : '=';
  }
  return text;
}

std::string TrainReportHtml(const TrainReport& report) {
  std::string html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n";
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  html += "<title>" + Escape(report.title) + "</title>\n<style>" + kStyle + "</style></head><body>\n";
  html += "<h1>" + Escape(report.title) + "</h1>\n" + Table(report.summary);
  html += "<h2>Curves</h2>\n<div class=\"plots\">\n";
  for (const Plot& plot : PlotsOf(report.curves)) html += Figure(plot);
  html += "</div>\n";
  if (!report.matrix_png.empty()) {
    html += "<h2>Similarity of pictures and texts</h2>\n<p>" + Escape(report.matrix_caption) + "</p>\n";
    html += "<img alt=\"similarity matrix\" src=\"data:image/png;base64," + Base64(report.matrix_png) + "\">\n";
  }
  html += "<details><summary>Options</summary>\n" + Table(report.options) + "</details>\n</body></html>\n";
  return html;
}

}  // namespace diptych
