// A moving average of the weights, which often does better than the weights themselves.
#ifndef DIPTYCH_TRAIN_EMA_H_
#define DIPTYCH_TRAIN_EMA_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/context.h"
#include "core/tensor.h"
#include "train/trained_model.h"

namespace diptych::train {

struct EmaOptions {
  double decay = 0.9999;
  /// The decay of update k (from 1) is at most (1 + k) / (10 + k), as TensorFlow's: the average of a short run is not
  /// that of its random start.
  bool warmup = true;
};

/// average += (1 - decay) (weight - average) after every step, over what trains and over buffers (a batch norm's
/// statistics) of towers in which something trains; the rest does not move. One more copy of these.
class Ema {
 public:
  /// The average starts as the model's values.
  Ema(const EmaOptions& options, const TrainedModel& model);

  void Update(Context& context);
  /// Exchanges the averages with the model's values: for an evaluation, or for saving, and back.
  void Swap();

  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }

  /// Calls f with each average under its parameter's name, in a fixed order: to save and to load.
  void Visit(const std::function<void(const std::string& name, MutableTensorView average)>& f);

 private:
  struct Entry {
    std::string name;
    nn::Param* param;
    Tensor average;
  };
  EmaOptions options_;
  std::vector<Entry> entries_;
  int64_t updates_ = 0;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_EMA_H_
