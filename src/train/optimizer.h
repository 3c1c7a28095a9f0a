// AdamW over both towers and the scale, with open_clip's rules.
#ifndef DIPTYCH_TRAIN_OPTIMIZER_H_
#define DIPTYCH_TRAIN_OPTIMIZER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/context.h"
#include "core/tensor.h"
#include "train/trained_model.h"

namespace diptych::train {

/// Defaults are open_clip's for a ViT; for a ResNet it takes beta2 = 0.999 and eps = 1e-8.
struct OptimizerOptions {
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-6;
  double weight_decay = 0.2;
  double clip_norm = 0;  // of all gradients together, as torch's clip_grad_norm_; 0: they are not clipped
  /// Multiples of the schedule's rate. The head is logit_scale and logit_bias; projections belong to their towers.
  double image_rate = 1, text_rate = 1, head_rate = 1;
  /// Each group of a tower learns at this multiple of the rate of the group above it; 1: all alike.
  double image_layer_decay = 1, text_layer_decay = 1;
};

/// Whether weight decay spares a parameter: open_clip 3.3's rule (open_clip_train/main.py): fewer than two dimensions,
/// or a name that contains "bn", "ln", "bias" or "logit_scale". Positional and token embeddings are decayed.
bool IsExemptFromDecay(const std::string& name, const Shape& shape);

/// Changes the parameters that train when it is made. Its moments are two more copies of these.
class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, const TrainedModel& model);

  struct StepInfo {
    double gradient_norm = 0;  // of all gradients, before clipping
    bool updated = false;
  };
  /// One update from the gradients as they stand, complete and summed over processes; they are zeros afterwards.
  /// logit_scale is then clamped to [0, ln 100]. Where the norm is not finite nothing is changed, not even gradients:
  /// the caller decides.
  StepInfo Step(Context& context, double rate);

  /// Steps taken. Set to continue from a checkpoint.
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  /// Calls f with each moment under torch's name for it, "<parameter>.exp_avg" and "<parameter>.exp_avg_sq", in a fixed
  /// order: to save and to load.
  void Visit(const std::function<void(const std::string& name, MutableTensorView moment)>& f);

 private:
  struct Entry {
    std::string name;
    nn::Param* param;
    double rate;  // multiple of the schedule's
    double weight_decay;
    Tensor m, v;
  };
  OptimizerOptions options_;
  nn::Param* logit_scale_;
  std::vector<Entry> entries_;
  int64_t steps_ = 0;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_OPTIMIZER_H_
