// `diptych train`: data, model and recipe in; a checkpoint, metrics and a report out.
#ifndef DIPTYCH_APPS_TRAIN_H_
#define DIPTYCH_APPS_TRAIN_H_

#include "core/status.h"
#include "diptych/train.h"
#include "train/communicator.h"

namespace diptych {

/// What can be said against the options before anything is loaded (kInvalidArgument).
Status CheckTrainOptions(const TrainOptions& options);

/// Runs to the end, or until it is told to stop. In options.output.out it leaves the checkpoint in the layout asked
/// for, training_state.safetensors (what --resume goes on from), metrics.jsonl, TensorBoard's events and report.html.
/// Every process of a job calls it; one writes. Errors: the options, the data, the model; a loss that is not finite; a
/// file that cannot be written. A process that fails tells the others, who return kUnavailable.
Result<TrainSummary> Train(const TrainOptions& options, train::Communicator& communicator, const TrainSinks& sinks);

}  // namespace diptych

#endif  // DIPTYCH_APPS_TRAIN_H_
