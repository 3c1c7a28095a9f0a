// Contrastive training, a step at a time (Radford et al. 2021, figure 3).
#ifndef DIPTYCH_TRAIN_TRAINER_H_
#define DIPTYCH_TRAIN_TRAINER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clip/clip.h"
#include "clip/model.h"
#include "core/context.h"
#include "core/status.h"
#include "train/communicator.h"
#include "train/ema.h"
#include "train/freeze.h"
#include "train/loader.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/tower_pass.h"

namespace diptych::train {

struct TrainerOptions {
  int threads = 1;
  Precision precision = Precision::kF32;
  /// The batch goes through the towers in so many pieces: all embeddings first, then the loss over the whole batch,
  /// then each piece again with its part of the gradient (gradient caching, Gao et al. 2021). The gradient is the whole
  /// batch's, the scale's included, to rounding; only batch norms see the pieces.
  int pieces = 1;
  nn::CacheOptions cache;
  TowerTraining image, text;
  LossOptions loss;
  OptimizerOptions optimizer;
  Schedule schedule;
  std::optional<EmaOptions> ema;
  const Clip* teacher = nullptr;  // of distillation; takes the same pixels' size
  uint64_t seed = 0;
};

struct StepResult {
  int64_t step = 0;  // from 1
  LossResult loss;
  double logit_scale = 0, logit_bias = 0;  // the scale as it multiplies; both before the update
  double gradient_norm = 0;
  double rate = 0;
  double gradient_s = 0, update_s = 0;  // forward, loss and backward; the optimiser and the average
};

/// Owned by one thread; its work runs on a team of `threads`.
class Trainer {
 public:
  /// Errors: see ApplyTraining; a teacher whose pictures have another size.
  static Result<std::unique_ptr<Trainer>> Create(std::shared_ptr<ClipModel> model, Communicator& communicator,
                                                 const TrainerOptions& options);

  /// One update from this process's rows of a batch. Errors: a loss or gradient that is not finite (kCorrupt, naming
  /// the step and the samples); the weights are then those of the step before.
  Result<StepResult> Step(const TrainBatch& batch);

  int64_t step() const { return step_; }  // updates done
  const ClipModel& model() const { return *model_; }

  /// The model as it is now, ready to embed; with EMA, its averages.
  std::unique_ptr<Clip> Snapshot();
  /// Calls f while the model holds what is to be saved: the averages where there are any.
  Status WithSavedWeights(const std::function<Status(ClipModel&)>& f);

  /// All that a run needs to go on as if it had not stopped: weights, moments, averages, the step. `about` (UTF-8) is
  /// kept beside it. The file appears whole or not at all.
  Status SaveState(const std::string& path, const std::string& about);
  /// The `about` of a state. Errors: a damaged file, or one of another kind.
  static Result<std::string> ReadAbout(const std::string& path);
  /// Errors: a state of another architecture (the first tensor that differs), a damaged file; nothing is changed then.
  Status LoadState(const std::string& path);

 private:
  Trainer(std::shared_ptr<ClipModel> model, Communicator& communicator, const TrainerOptions& options);

  // (rows, E) each, in the arena.
  struct Features {
    float *pooled, *normal, *lengths, *gradient;
  };
  Features AllocateFeatures(int64_t rows);
  void ForwardAll(const TrainBatch& batch, bool keep, TowerPass& pass, const Features& features);
  void BackwardAll(const TrainBatch& batch, TowerPass& pass, const Features& features);
  LossResult Loss(const TrainBatch& batch, const Features& images, const Features& texts);
  void TeacherRows(const TrainBatch& batch, LossInput& input);
  Status NotFinite(const TrainBatch& batch, const char* what) const;
  template <class F>
  void VisitState(const F& f);

  std::shared_ptr<ClipModel> model_;
  Communicator& communicator_;
  TrainerOptions options_;
  Context context_;
  TrainedModel trained_;
  std::unique_ptr<TowerPass> image_, text_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Ema> ema_;
  int64_t step_ = 0;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_TRAINER_H_
