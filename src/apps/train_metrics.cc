#include "apps/train_metrics.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "core/json.h"

namespace diptych {
namespace {

// Calls f(step, object, line) for each whole line that is what this file writes.
template <class F>
void ForEachLine(std::string_view text, const std::string& path, const F& f) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const Result<Json> json = ParseJson(line, path);
    if (json.ok() && json->is_object() && json->contains("step") && (*json)["step"].is_number_integer()) {
      f((*json)["step"].get<int64_t>(), *json, line);
    }
  }
}

Result<std::string> ReadIfThere(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (text.status().code() == StatusCode::kNotFound) return std::string();
  return text;
}

Status CannotWrite(const std::string& path) {
  return IoError(path, std::string("cannot be written: ") + std::strerror(errno));
}

}  // namespace

std::string MetricsJson(int64_t step, const std::vector<TrainMetric>& metrics) {
  nlohmann::ordered_json json = {{"step", step}};
  for (const TrainMetric& metric : metrics) json[metric.name] = metric.value;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);  // sets are named by their files, any bytes
}

Result<MetricsLog> MetricsLog::Open(const std::string& folder, int64_t after) {
  const std::string path = folder + "/metrics.jsonl";
  std::string kept;
  if (after > 0) {
    ASSIGN_OR_RETURN(const std::string text, ReadIfThere(path));
    ForEachLine(text, path, [&](int64_t step, const Json&, std::string_view line) {
      if (step <= after) kept.append(line).push_back('\n');
    });
  }
  RETURN_IF_ERROR(WriteFileAtomically(path, kept));
  std::FILE* file = std::fopen(path.c_str(), "ab");
  if (file == nullptr) return CannotWrite(path);
  std::unique_ptr<std::FILE, Close> owner(file);
  ASSIGN_OR_RETURN(train::EventWriter events, train::EventWriter::Create(folder));
  return MetricsLog(path, owner.release(), std::move(events));
}

Status MetricsLog::Write(int64_t step, const std::vector<TrainMetric>& metrics) {
  const std::string line = MetricsJson(step, metrics) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0) {
    return CannotWrite(path_);
  }
  std::vector<std::pair<std::string, double>> scalars;
  for (const TrainMetric& metric : metrics) scalars.emplace_back(metric.name, metric.value);
  return events_.Write(step, scalars);
}

Result<std::map<std::string, Curve>> MetricsLog::ReadCurves() const {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path_));
  std::map<std::string, Curve> curves;
  ForEachLine(text, path_, [&](int64_t step, const Json& json, std::string_view) {
    for (const auto& [name, value] : json.items()) {
      if (name != "step" && value.is_number()) curves[name].emplace_back(step, value.get<double>());
    }
  });
  return curves;
}

}  // namespace diptych
