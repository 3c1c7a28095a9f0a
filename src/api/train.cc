#include "apps/train.h"

#include "api/process.h"

namespace diptych {

Result<TrainSummary> Train(const TrainOptions& options, const TrainSinks& sinks) {
  RETURN_IF_ERROR(CheckTrainOptions(options));
  RETURN_IF_ERROR(EnterProcess());
  const std::unique_ptr<train::Communicator> alone = train::OneProcess();
  return Train(options, *alone, sinks);
}

}  // namespace diptych
