#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "kernels/norms/norm.h"

namespace diptych::train {
namespace {

// The rows of piece `piece` of `pieces`, as even as can be.
RowRange Piece(int64_t rows, int piece, int pieces) {
  return {rows * piece / pieces, rows * (piece + 1) / pieces};
}

}  // namespace

Trainer::Trainer(std::shared_ptr<ClipModel> model, Communicator& communicator, const TrainerOptions& options)
    : model_(std::move(model)),
      communicator_(communicator),
      options_(options),
      context_(options.threads, Mode::kTraining, options.precision) {}

Result<std::unique_ptr<Trainer>> Trainer::Create(std::shared_ptr<ClipModel> model, Communicator& communicator,
                                                 const TrainerOptions& options) {
  const PreprocessConfig& pixels = model->config.preprocess;
  if (options.teacher != nullptr && options.teacher->config().preprocess.crop != pixels.crop) {
    return InvalidArgument("--distill", "the teacher sees pictures of " +
                                            std::to_string(options.teacher->config().preprocess.crop) +
                                            " pixels, the model of " + std::to_string(pixels.crop));
  }
  RETURN_IF_ERROR(ApplyTraining(options.image, options.seed, *model->image));
  RETURN_IF_ERROR(ApplyTraining(options.text, options.seed, *model->text));
  model->logit_scale.Train();
  if (model->config.has_logit_bias) model->logit_bias.Train();
  std::unique_ptr<Trainer> trainer(new Trainer(std::move(model), communicator, options));
  ClipModel& own = *trainer->model_;
  trainer->trained_ = {.image = own.image.get(),
                       .text = own.text.get(),
                       .logit_scale = &own.logit_scale,
                       .logit_bias = own.config.has_logit_bias ? &own.logit_bias : nullptr};
  trainer->image_ = MakeTowerPass(*own.image, options.image.locked, options.cache);
  trainer->text_ = MakeTowerPass(*own.text, options.text.locked, options.cache);
  trainer->optimizer_ = std::make_unique<Optimizer>(options.optimizer, trainer->trained_);
  if (options.ema) trainer->ema_ = std::make_unique<Ema>(*options.ema, trainer->trained_);
  return trainer;
}

Trainer::Features Trainer::AllocateFeatures(int64_t rows) {
  const int64_t size = rows * model_->config.embed_dim;
  Arena& arena = context_.arena();
  return {arena.Allocate<float>(size), arena.Allocate<float>(size), arena.Allocate<float>(rows),
          arena.Allocate<float>(size)};
}

void Trainer::ForwardAll(const TrainBatch& batch, bool keep, TowerPass& pass, const Features& features) {
  const int64_t rows = static_cast<int64_t>(batch.lengths.size()), e = model_->config.embed_dim;
  const int pieces = keep ? 1 : options_.pieces;
  for (int i = 0; i < pieces; ++i) {
    const RowRange range = Piece(rows, i, pieces);
    if (range.size() > 0) pass.Forward(context_, batch, range, keep, features.pooled + range.begin * e);
  }
  kernels::L2Normalize(features.pooled, rows, e, features.normal, features.lengths);
}

// features.gradient is that of the normalised rows and becomes that of the pooled ones. Where the batch came in pieces,
// each goes forward again, kept this time.
void Trainer::BackwardAll(const TrainBatch& batch, TowerPass& pass, const Features& features) {
  const int64_t rows = static_cast<int64_t>(batch.lengths.size()), e = model_->config.embed_dim;
  kernels::L2NormalizeBackward(features.normal, features.lengths, features.gradient, rows, e, features.gradient);
  const nn::GroupDone sum_over_processes = [&](int group) {
    pass.VisitTrained(
        group, [&](nn::Param& param) { communicator_.StartAllReduceSum(param.grad(), param.shape().NumElements()); });
  };
  for (int i = 0; i < options_.pieces; ++i) {
    const Arena::Scope scope(context_.arena());
    const RowRange range = Piece(rows, i, options_.pieces);
    if (range.size() > 0 && options_.pieces > 1) {
      pass.Forward(context_, batch, range, /*keep=*/true, features.pooled + range.begin * e);
    }
    const bool last = i + 1 == options_.pieces && communicator_.size() > 1;
    pass.Backward(context_, features.gradient + range.begin * e, last ? sum_over_processes : nn::GroupDone());
  }
}

LossResult Trainer::Loss(const TrainBatch& batch, const Features& images, const Features& texts) {
  LossInput input{.images = images.normal,
                  .texts = texts.normal,
                  .m = static_cast<int64_t>(batch.lengths.size()),
                  .e = model_->config.embed_dim,
                  .logit_scale_log = model_->logit_scale.Scalar()};
  if (trained_.logit_bias != nullptr) input.logit_bias = trained_.logit_bias->Scalar();
  if (options_.teacher != nullptr) TeacherRows(batch, input);
  LossGradients gradients{.dimages = image_->locked() ? nullptr : images.gradient,
                          .dtexts = text_->locked() ? nullptr : texts.gradient};
  const LossResult result = ContrastiveLoss(context_, communicator_, options_.loss, input, gradients);
  model_->logit_scale.grad()[0] += static_cast<float>(gradients.dlogit_scale_log);
  if (trained_.logit_bias != nullptr) trained_.logit_bias->grad()[0] += static_cast<float>(gradients.dlogit_bias);
  return result;
}

// The teacher embeds the batch in inference. Its pixels may be normalised otherwise.
void Trainer::TeacherRows(const TrainBatch& batch, LossInput& input) {
  const Clip& teacher = *options_.teacher;
  const int64_t k = teacher.embed_dim(), pictures = input.m;
  Arena& arena = context_.arena();
  float* rows = arena.Allocate<float>(2 * pictures * k);
  const PreprocessConfig &ours = model_->config.preprocess, &theirs = teacher.config().preprocess;
  const int64_t pixels = int64_t{ours.crop} * ours.crop;
  {
    const Arena::Scope scope(arena);
    float* x = arena.Allocate<float>(pictures * 3 * pixels);
    const float* from = batch.pixels.data<float>();
    for (int64_t i = 0; i < pictures * 3 * pixels; ++i) {
      const auto c = static_cast<size_t>(i / pixels % 3);
      x[i] = (from[i] * ours.std[c] + ours.mean[c] - theirs.mean[c]) / theirs.std[c];
    }
    teacher.EncodeImages(context_, x, pictures, rows);
  }
  teacher.EncodeTexts(context_, batch.captions, rows + pictures * k);
  input.teacher_images = rows;
  input.teacher_texts = rows + pictures * k;
  input.teacher_k = k;
  input.teacher_scale = teacher.logit_scale();
}

Result<StepResult> Trainer::Step(const TrainBatch& batch) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  const Arena::Scope scope(context_.arena());
  const int64_t rows = static_cast<int64_t>(batch.lengths.size());
  const Features images = AllocateFeatures(rows), texts = AllocateFeatures(rows);
  const bool whole = options_.pieces == 1;
  ForwardAll(batch, whole && !image_->locked(), *image_, images);
  ForwardAll(batch, whole && !text_->locked(), *text_, texts);

  StepResult result{.step = step_ + 1,
                    .logit_scale = std::exp(model_->logit_scale.Scalar()),
                    .rate = options_.schedule.RateAt(step_)};
  if (trained_.logit_bias != nullptr) result.logit_bias = trained_.logit_bias->Scalar();
  result.loss = Loss(batch, images, texts);
  if (!std::isfinite(result.loss.loss)) return NotFinite(batch, "loss");
  if (!text_->locked()) BackwardAll(batch, *text_, texts);
  if (!image_->locked()) BackwardAll(batch, *image_, images);
  communicator_.WaitAll();
  const Clock::time_point summed = Clock::now();

  const Optimizer::StepInfo info = optimizer_->Step(context_, result.rate);
  if (!info.updated) return NotFinite(batch, "gradient");
  result.gradient_norm = info.gradient_norm;
  if (ema_ != nullptr) ema_->Update(context_);
  ++step_;
  result.gradient_s = std::chrono::duration<double>(summed - begin).count();
  result.update_s = std::chrono::duration<double>(Clock::now() - summed).count();
  return result;
}

Status Trainer::NotFinite(const TrainBatch& batch, const char* what) const {
  constexpr size_t kNamed = 8;  // of each process
  std::string mine;
  for (size_t i = 0; i < std::min(kNamed, batch.keys.size()); ++i) mine += (i == 0 ? "" : ", ") + batch.keys[i];
  if (batch.keys.size() > kNamed) mine += " and " + std::to_string(batch.keys.size() - kNamed) + " more";
  std::string samples;
  for (const std::string& some : GatherStrings(communicator_, mine)) {  // all of the job are here
    samples += (samples.empty() ? "" : "; ") + some;
  }
  return Corrupt("step " + std::to_string(step_ + 1),
                 std::string("the ") + what + " is not a finite number; its samples: " + samples,
                 "the last checkpoint is as it was; try a smaller --lr, a longer --warmup or --clip-norm 1");
}

std::unique_ptr<Clip> Trainer::Snapshot() {
  if (ema_ != nullptr) ema_->Swap();
  std::unique_ptr<Clip> clip = Clip::Of(model_);
  clip->image_plan();
  clip->text_plan();
  if (ema_ != nullptr) ema_->Swap();
  return clip;
}

Status Trainer::WithSavedWeights(const std::function<Status(ClipModel&)>& f) {
  if (ema_ != nullptr) ema_->Swap();
  const Status status = f(*model_);
  if (ema_ != nullptr) ema_->Swap();
  return status;
}

}  // namespace diptych::train
