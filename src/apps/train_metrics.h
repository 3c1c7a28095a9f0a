// What a run measures, step by step: metrics.jsonl and TensorBoard's events in its folder.
#ifndef DIPTYCH_APPS_TRAIN_METRICS_H_
#define DIPTYCH_APPS_TRAIN_METRICS_H_

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/train_report.h"
#include "core/status.h"
#include "diptych/train.h"
#include "train/tensorboard.h"

namespace diptych {

/// A line of metrics.jsonl: {"step": 7, "loss": 2.3, ...}, without its end. What is not finite becomes null.
std::string MetricsJson(int64_t step, const std::vector<TrainMetric>& metrics);

/// Appends, and flushes each line: what was measured survives the process.
class MetricsLog {
 public:
  /// Goes on in `folder` after step `after`: lines of later steps, which a stopped run wrote after its last checkpoint,
  /// are dropped, as is a last line without an end. 0 begins anew. Errors: a file that cannot be written.
  static Result<MetricsLog> Open(const std::string& folder, int64_t after);

  Status Write(int64_t step, const std::vector<TrainMetric>& metrics);

  /// All that the file holds.
  Result<std::map<std::string, Curve>> ReadCurves() const;

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  MetricsLog(std::string path, std::FILE* file, train::EventWriter events)
      : path_(std::move(path)), file_(file), events_(std::move(events)) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  train::EventWriter events_;
};

}  // namespace diptych

#endif  // DIPTYCH_APPS_TRAIN_METRICS_H_
