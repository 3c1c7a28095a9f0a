// `diptych train`: data, model and recipe in; a checkpoint, metrics and a report out.
#ifndef DIPTYCH_APPS_TRAIN_H_
#define DIPTYCH_APPS_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/status.h"
#include "diptych/train.h"
#include "train/communicator.h"
#include "train/skip_counts.h"

namespace diptych {

struct TrainStep {
  int64_t step = 0, steps = 0;  // done, of the whole run
  std::vector<TrainMetric> metrics;
  double seconds_left = 0;
};

/// Called by the first process alone, in order. Empty members are allowed.
struct TrainSinks {
  std::function<void(const TrainStep&)> step;
  std::function<void(int64_t step, const std::vector<TrainMetric>&)> validation;
  std::function<void(const std::string& note)> note;  // for people: where it goes on, what was not written
  /// Set by a signal: the run then writes a checkpoint and ends. May be null.
  const std::atomic<bool>* stop = nullptr;
};

struct TrainSummary {
  int64_t step = 0, steps = 0;
  bool stopped = false;       // before its end, because it was told to
  train::SkipCounts skipped;  // samples that could not be used, of all processes
};

/// What can be said against the options before anything is loaded (kInvalidArgument).
Status CheckTrainOptions(const TrainOptions& options);

/// Runs to the end, or until it is told to stop. In options.output.out it leaves the checkpoint in the layout asked
/// for, training_state.safetensors (what --resume goes on from), metrics.jsonl, TensorBoard's events and report.html.
/// Every process of a job calls it; one writes. Errors: the options, the data, the model; a loss that is not finite; a
/// file that cannot be written. A process that fails tells the others, who return kUnavailable.
Result<TrainSummary> Train(const TrainOptions& options, train::Communicator& communicator, const TrainSinks& sinks);

}  // namespace diptych

#endif  // DIPTYCH_APPS_TRAIN_H_
