#include "apps/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>

#include "apps/matrix_png.h"
#include "apps/train_metrics.h"
#include "apps/train_report.h"
#include "apps/train_validation.h"
#include "clip/save.h"
#include "core/file.h"
#include "core/json.h"
#include "core/threads.h"
#include "text/unicode.h"
#include "train/build.h"
#include "train/loader.h"
#include "train/trainer.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr char kState[] = "training_state.safetensors";
constexpr int kReportMatrix = 720;  // pixels: with its captions it is drawn as it is, not scaled to the page's width

Container LayoutOf(const TrainOptions& options) {
  return options.output.layout == "hf" ? Container::kHuggingFace : Container::kOpenClip;
}

train::BuildOptions MakeBuildOptions(const TrainOptions& options) {
  const TrainModelOptions& m = options.model;
  return {.image_tower = m.image_tower,
          .text_tower = m.text_tower,
          .init_image = m.init.empty() ? m.init_image : m.init,
          .init_text = m.init.empty() ? m.init_text : m.init,
          .image_size = m.image_size,
          .embed_dim = m.embed_dim,
          .logit_bias = options.recipe.loss == "siglip",
          .seed = static_cast<uint64_t>(options.recipe.seed)};
}

train::TrainerOptions MakeTrainerOptions(const TrainOptions& options, int64_t steps) {
  const TrainRecipeOptions& r = options.recipe;
  const TrainModelOptions& m = options.model;
  train::TrainerOptions trainer;
  trainer.threads = options.threads > 0 ? options.threads : AvailableThreads();
  trainer.precision = options.precision == "bf16" ? Precision::kBF16 : Precision::kF32;
  trainer.pieces = r.accum;
  trainer.cache.recompute = r.recompute;
  trainer.image = {m.lock_image, m.image_blocks, m.lora_image, m.lora_alpha};
  trainer.text = {m.lock_text, m.text_blocks, m.lora_text, m.lora_alpha};
  trainer.loss.kind = r.loss == "siglip" ? train::LossOptions::Kind::kSigmoid : train::LossOptions::Kind::kSoftmax;
  trainer.loss.hard_negatives = r.hard_negatives;
  trainer.loss.distillation_weight = r.distill_weight;
  trainer.optimizer = {.beta1 = r.beta1,
                       .beta2 = r.beta2,
                       .eps = r.eps,
                       .weight_decay = r.weight_decay,
                       .clip_norm = r.clip_norm,
                       .image_rate = r.lr_image,
                       .text_rate = r.lr_text,
                       .head_rate = r.lr_scale,
                       .image_layer_decay = r.layer_decay,
                       .text_layer_decay = r.layer_decay};
  using Kind = train::Schedule::Kind;
  trainer.schedule = {.kind = r.schedule == "cosine"     ? Kind::kCosine
                              : r.schedule == "constant" ? Kind::kConstant
                                                         : Kind::kCooldown,
                      .rate = r.lr,
                      .warmup = r.warmup,
                      .steps = steps,
                      .cooldown = r.cooldown};
  if (r.ema > 0) trainer.ema = train::EmaOptions{.decay = r.ema};
  trainer.seed = static_cast<uint64_t>(r.seed);
  return trainer;
}

AugmentOptions MakeAugmentOptions(const TrainDataOptions& d) {
  constexpr double kHueShare = 0.25;  // of the others' strength, as open_clip's usual (0.32, 0.32, 0.32, 0.08)
  return {.min_scale = d.crop_scale,
          .flip = d.flip,
          .jitter = d.color_jitter > 0 ? 1.0 : 0.0,
          .brightness = d.color_jitter,
          .contrast = d.color_jitter,
          .saturation = d.color_jitter,
          .hue = kHueShare * d.color_jitter,
          .greyscale = d.grayscale,
          .randaugment_ops = d.rand_augment,
          .randaugment_magnitude = d.rand_augment_magnitude};
}

using Flags = std::vector<std::pair<std::string, std::string>>;

// Options as flags and values, for the report and to compare a resumed run with what it was.
class FlagLister {
 public:
  void operator()(const Field& field, bool& value) { Add(field, value ? "yes" : "no"); }
  void operator()(const Field& field, int& value) { Add(field, std::to_string(value)); }
  void operator()(const Field& field, double& value) { Add(field, fmt::format("{}", value)); }
  void operator()(const Field& field, std::string& value) { Add(field, value); }
  void operator()(const Field& field, std::vector<std::string>& value) {
    Add(field, fmt::format("{}", fmt::join(value, " ")));
  }

  Flags flags;

 private:
  void Add(const Field& field, const std::string& value) {
    std::string name = std::string("--") + field.name;
    std::replace(name.begin(), name.end(), '_', '-');
    flags.emplace_back(name, EncodeUtf8(DecodeUtf8(value)));  // paths are any bytes
  }
};

template <class Options>
Flags FlagsOf(Options options) {
  FlagLister lister;
  options.Visit(lister);
  return std::move(lister.flags);
}

// A published name, else the towers as they were asked for: "vit:6,192,3,p16 and transformer:3,192,3".
std::string TitleOf(const std::string& family, const TrainModelOptions& m) {
  if (!family.empty()) return family;
  const std::string& image = m.image_tower.empty() ? m.init_image : m.image_tower;
  const std::string& text = m.text_tower.empty() ? m.init_text : m.text_tower;
  if (!image.empty() && !text.empty()) return image + " and " + text;
  return m.init.empty() ? "Training run" : "From " + m.init;
}

// The first flag whose value differs from what it was, as an error.
Status CompareFlags(const Json& earlier, const Json& now) {
  for (const auto& [name, value] : now.items()) {
    const auto was = earlier.find(name);
    if (was != earlier.end() && *was == value) continue;
    const std::string before = was != earlier.end() && was->is_string() ? was->get<std::string>() : "";
    return InvalidArgument(name,
                           fmt::format("is \"{}\", but was \"{}\" in the run that is resumed",
                                       value.get_ref<const std::string&>(), before),
                           "give it as it was, or begin a new run in another folder");
  }
  return Status::Ok();
}

}  // namespace

Status CheckTrainOptions(const TrainOptions& options) {
  const TrainModelOptions& m = options.model;
  const TrainRecipeOptions& r = options.recipe;
  if (options.data.train_data.empty()) return InvalidArgument("--train-data", "is missing");
  if (options.output.out.empty()) return InvalidArgument("--out", "is missing: the folder of the checkpoint");
  if (r.steps == 0 && r.epochs == 0) return InvalidArgument("--steps or --epochs", "must say how long to train");
  if (r.steps > 0 && r.epochs > 0) return InvalidArgument("--steps and --epochs", "exclude each other");
  if (!m.init.empty() &&
      !(m.init_image.empty() && m.init_text.empty() && m.image_tower.empty() && m.text_tower.empty())) {
    return InvalidArgument("--init", "gives both towers; leave out the flags of single towers");
  }
  if (m.lock_image && m.lock_text) return InvalidArgument("--lock-image and --lock-text", "leave nothing to train");
  if (r.accum > r.batch) return InvalidArgument("--accum", "makes more pieces than the batch has pairs");
  if (r.loss == "siglip" && r.hard_negatives > 0) {
    return InvalidArgument("--hard-negatives", "belongs to --loss infonce");
  }
  return Status::Ok();
}

namespace {

// A run from its first step to its last, of one process of a job.
class TrainRun {
 public:
  TrainRun(const TrainOptions& options, train::Communicator& communicator, const TrainSinks& sinks)
      : options_(options), communicator_(communicator), sinks_(sinks) {}

  Result<TrainSummary> Run() {
    RETURN_IF_ERROR(Agree(SetUp()));
    Status status;
    while (status.ok() && trainer_->step() < steps_) {
      const Result<bool> go_on = OneStep();
      if (go_on.ok() && !*go_on) return Finish(/*stopped=*/true);
      status = go_on.status();
    }
    RETURN_IF_ERROR(status);
    return Finish(/*stopped=*/false);
  }

 private:
  enum class Signal : uint8_t { kGoOn, kStop, kFailed };

  bool writes() const { return communicator_.rank() == 0; }
  std::string Path(const char* name) const { return (fs::path(options_.output.out) / name).string(); }
  bool StopAsked() const { return sinks_.stop != nullptr && *sinks_.stop; }
  void Note(const std::string& text) const {
    if (writes() && sinks_.note) sinks_.note(text);
  }

  // Tells the others how this process fares, and hears how they do, in order of rank.
  std::vector<Signal> Exchange(Signal mine) const {
    std::vector<Signal> all(static_cast<size_t>(communicator_.size()));
    communicator_.AllGather(&mine, sizeof mine, all.data());
    return all;
  }

  // An error of one process is an error of all. The first that has one tells what it is.
  Status ErrorOf(const std::vector<Signal>& all, const Status& mine) const {
    const auto failed = std::find(all.begin(), all.end(), Signal::kFailed);
    if (failed == all.end()) return Status::Ok();
    if (failed - all.begin() == communicator_.rank()) return mine;
    return Unavailable("the job", "another of its processes failed");
  }

  Status Agree(const Status& mine) const {
    return ErrorOf(Exchange(mine.ok() ? Signal::kGoOn : Signal::kFailed), mine);
  }

  Status SetUp() {
    ASSIGN_OR_RETURN(const std::shared_ptr<ClipModel> model, train::BuildModel(MakeBuildOptions(options_)));
    RETURN_IF_ERROR(CheckLayout(model->config, LayoutOf(options_)));
    RETURN_IF_ERROR(OpenData(*model));
    if (!options_.recipe.distill.empty()) {
      ASSIGN_OR_RETURN(teacher_, Clip::Load(options_.recipe.distill));
    }
    steps_ = options_.recipe.steps;
    if (steps_ == 0) {
      const double exact = options_.recipe.epochs * static_cast<double>(loader_->steps_per_epoch());
      steps_ = std::max<int64_t>(1, static_cast<int64_t>(std::llround(exact)));
    }
    train::TrainerOptions trainer = MakeTrainerOptions(options_, steps_);
    trainer.teacher = teacher_.get();
    ASSIGN_OR_RETURN(trainer_, train::Trainer::Create(model, communicator_, trainer));
    RETURN_IF_ERROR(OpenOutput());
    if (!writes()) return Status::Ok();
    ASSIGN_OR_RETURN(validation_, Validation::Open({.data = options_.data.val_data,
                                                    .picture_column = options_.data.image_column,
                                                    .caption_column = options_.data.caption_column,
                                                    .limit = options_.data.val_limit,
                                                    .loss_batch = options_.recipe.batch,
                                                    .threads = trainer.threads,
                                                    .stop = sinks_.stop}));
    return Status::Ok();
  }

  Status OpenData(const ClipModel& model) {
    const TrainDataOptions& d = options_.data;
    const train::DatasetOptions dataset{.paths = d.train_data,
                                        .picture_column = d.image_column,
                                        .caption_column = d.caption_column,
                                        .templates = d.templates};
    train::LoaderOptions loader;
    loader.batch = options_.recipe.batch;
    loader.rank = communicator_.rank();
    loader.ranks = communicator_.size();
    loader.threads = options_.threads > 0 ? options_.threads : AvailableThreads();
    loader.seed = static_cast<uint64_t>(options_.recipe.seed);
    loader.shuffle_buffer = d.shuffle_buffer;
    loader.preprocess = model.config.preprocess;
    loader.pad_to_context = model.text->info().sees_padding;
    loader.augment = MakeAugmentOptions(d);
    RETURN_IF_ERROR(CheckAugmentOptions(loader.augment));
    ASSIGN_OR_RETURN(loader_, train::Loader::Open(dataset, loader, *model.tokenizer));
    return Status::Ok();
  }

  // The folder, and what a resumed run goes on from.
  Status OpenOutput() {
    const std::string& out = options_.output.out;
    std::error_code error;
    if (writes()) fs::create_directories(out, error);
    if (error) return IoError(out, "cannot be made: " + error.message());
    const bool there = fs::exists(Path(kState), error);
    if (options_.output.resume) {
      if (!there) return NotFound(out, "holds no run to go on with: there is no training_state.safetensors in it");
      ASSIGN_OR_RETURN(const std::string about, train::Trainer::ReadAbout(Path(kState)));
      ASSIGN_OR_RETURN(const Json earlier, ParseJson(about, Path(kState) + ": about"));
      RETURN_IF_ERROR(CompareFlags(earlier, About()));
      RETURN_IF_ERROR(trainer_->LoadState(Path(kState)));
      loader_->Seek(trainer_->step());
      Note(fmt::format("goes on after step {} of {}", trainer_->step(), steps_));
    } else if (there) {
      return InvalidArgument("--out", out + " holds a run already", "--resume goes on with it; or name another folder");
    } else if (HoldsModel(out)) {
      return InvalidArgument("--out", out + " holds a model already, which would be lost", "name another folder");
    }
    if (!writes()) return Status::Ok();
    ASSIGN_OR_RETURN(log_, MetricsLog::Open(out, trainer_->step()));
    return Status::Ok();
  }

  // What must be as it was for a resumed run to be the run that it goes on with.
  Json About() const {
    Json flags;
    for (const Flags& some : {FlagsOf(options_.data), FlagsOf(options_.model), FlagsOf(options_.recipe)}) {
      for (const auto& [name, value] : some) {
        if (!name.starts_with("--val-")) flags[name] = value;
      }
    }
    flags["--precision"] = options_.precision;
    flags["the number of samples in --train-data"] = std::to_string(loader_->dataset().size());
    return flags;
  }

  Result<bool> OneStep() {
    const Clock::time_point begin = Clock::now();
    const Result<const train::TrainBatch*> batch = loader_->Next();
    const double waited = std::chrono::duration<double>(Clock::now() - begin).count();
    const Signal mine = !batch.ok() ? Signal::kFailed : StopAsked() ? Signal::kStop : Signal::kGoOn;
    const std::vector<Signal> all = Exchange(mine);
    RETURN_IF_ERROR(ErrorOf(all, batch.status()));
    if (std::find(all.begin(), all.end(), Signal::kStop) != all.end()) return false;
    const Result<train::StepResult> result = trainer_->Step(**batch);
    if (!result.ok()) return Agree(result.status());  // what is not finite is so in every process
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (writes()) RETURN_IF_ERROR(Report(*result, seconds, waited));
    const int64_t every = options_.output.checkpoint_every;
    if (every > 0 && result->step % every == 0 && result->step < steps_) {
      if (const Status saved = Checkpoint(); !saved.ok()) {
        Note("the checkpoint of step " + std::to_string(result->step) +
             " was not written, the one before it stays: " + saved.ToString());
      }
    }
    return true;
  }

  Status Report(const train::StepResult& result, double seconds, double waited) {
    constexpr double kMemory = 0.9;  // of the average of a step's time
    step_seconds_ = step_seconds_ == 0 ? seconds : kMemory * step_seconds_ + (1 - kMemory) * seconds;
    std::vector<TrainMetric> metrics = {{"loss", result.loss.loss},
                                        {"logit_scale", result.logit_scale},
                                        {"lr", result.rate},
                                        {"pairs_per_s", options_.recipe.batch / seconds},
                                        {"data_s", waited},
                                        {"gradient_s", result.gradient_s},
                                        {"update_s", result.update_s},
                                        {"gradient_norm", result.gradient_norm},
                                        {"batch_top1", (result.loss.image_top1 + result.loss.text_top1) / 2}};
    if (options_.recipe.loss == "siglip") metrics.push_back({"logit_bias", result.logit_bias});
    if (teacher_ != nullptr) {
      metrics.push_back({"contrastive", result.loss.contrastive});
      metrics.push_back({"distillation", result.loss.distillation});
    }
    RETURN_IF_ERROR(log_->Write(result.step, metrics));
    if (sinks_.step) {
      sinks_.step({result.step, steps_, metrics, static_cast<double>(steps_ - result.step) * step_seconds_});
    }
    const int64_t every = options_.output.val_every > 0 ? options_.output.val_every : std::max<int64_t>(1, steps_ / 10);
    return result.step % every == 0 || result.step == steps_ ? Validate() : Status::Ok();
  }

  Status Validate() {
    if (!validation_ || validation_->empty()) return Status::Ok();
    const std::unique_ptr<Clip> clip = trainer_->Snapshot();
    Result<std::vector<TrainMetric>> measured = validation_->Measure(*clip);
    if (measured.status().code() == StatusCode::kCancelled) return Status::Ok();  // the next step is not begun
    ASSIGN_OR_RETURN(const std::vector<TrainMetric> metrics, std::move(measured));
    RETURN_IF_ERROR(log_->Write(trainer_->step(), metrics));
    if (sinks_.validation) sinks_.validation(trainer_->step(), metrics);
    return Status::Ok();
  }

  Status Checkpoint() {
    if (!writes()) return Status::Ok();
    RETURN_IF_ERROR(trainer_->SaveState(Path(kState), About().dump()));
    return trainer_->WithSavedWeights(
        [&](ClipModel& model) { return SaveClipModel(model, LayoutOf(options_), options_.output.out); });
  }

  Result<TrainSummary> Finish(bool stopped) {
    RETURN_IF_ERROR(Agree(Checkpoint()));
    const train::SkipCounts skipped = loader_->SkippedInJob(communicator_);
    if (writes()) {
      RETURN_IF_ERROR(WriteReport(skipped.total()));
      Note(fmt::format("{} after step {} of {}: {}", stopped ? "stopped" : "done", trainer_->step(), steps_,
                       options_.output.out));
    }
    return TrainSummary{trainer_->step(), steps_, stopped, skipped.total(), skipped.ToString()};
  }

  Status WriteReport(int64_t skipped) {
    TrainReport report;
    ClipModel& model = const_cast<ClipModel&>(trainer_->model());
    report.title = TitleOf(model.config.family, options_.model);
    report.summary = {{"steps", fmt::format("{} of {}", trainer_->step(), steps_)},
                      {"batch", std::to_string(options_.recipe.batch)},
                      {"parameters", fmt::format("{:.1f} million", static_cast<double>(model.parameter_count()) / 1e6)},
                      {"skipped samples", std::to_string(skipped)}};
    report.options = FlagsOf(options_);
    ASSIGN_OR_RETURN(report.curves, log_->ReadCurves());
    for (const auto& [name, curve] : report.curves) {
      if (name.starts_with("val/") && !curve.empty()) {
        report.summary.emplace_back(name.substr(4), fmt::format("{:.4f}", curve.back().second));
      }
    }
    if (validation_ && !validation_->empty()) {
      const std::unique_ptr<Clip> clip = trainer_->Snapshot();
      ASSIGN_OR_RETURN(const SimilarityMatrix sample, validation_->Sample(*clip));
      ASSIGN_OR_RETURN(report.matrix_png, MatrixPng(sample, kReportMatrix, Path("report.html")));
      report.matrix_caption = "Cosine similarity of a few pairs of the validation data; right pairs on the diagonal.";
    }
    return WriteFileAtomically(Path("report.html"), TrainReportHtml(report));
  }

  const TrainOptions& options_;
  train::Communicator& communicator_;
  const TrainSinks& sinks_;
  int64_t steps_ = 0;
  double step_seconds_ = 0;
  std::unique_ptr<Clip> teacher_;
  std::unique_ptr<train::Trainer> trainer_;
  std::unique_ptr<train::Loader> loader_;  // ends before the trainer: its workers use the model's tokenizer
  std::optional<Validation> validation_;
  std::optional<MetricsLog> log_;
};

}  // namespace

Result<TrainSummary> Train(const TrainOptions& options, train::Communicator& communicator, const TrainSinks& sinks) {
  return TrainRun(options, communicator, sinks).Run();
}

}  // namespace diptych
