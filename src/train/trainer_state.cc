// What a run keeps to go on from: a safetensors file with everything that a step changes.
#include <map>
#include <set>
#include <string>
#include <utility>

#include "checkpoint/safetensors.h"
#include "core/json.h"
#include "train/trainer.h"

namespace diptych::train {
namespace {

constexpr char kAbout[] = "about";  // bytes of JSON

Status Misfit(const std::string& path, const std::string& what) {
  return Corrupt(path, what, "it was saved by a run with other towers or options");
}

// What the state says beside its tensors.
struct Words {
  int64_t step = -1, optimizer_steps = -1, ema_updates = 0;
  std::string about;
};

Result<Words> ReadWords(const StateDict& state, const std::string& path) {
  const auto it = state.find(kAbout);
  if (it == state.end() || it->second.view.dtype() != DType::kU8) return Misfit(path, "is no training state");
  const TensorView& view = it->second.view;
  const std::string where = path + ": about";
  ASSIGN_OR_RETURN(const Json json, ParseJson({static_cast<const char*>(view.raw()), view.SizeBytes()}, where));
  if (!json.is_object()) return Misfit(path, "is no training state");
  JsonReader reader(json, where);
  const Words words{.step = reader.Int("step", -1),
                    .optimizer_steps = reader.Int("optimizer_steps", -1),
                    .ema_updates = reader.Int("ema_updates", 0),
                    .about = reader.String("about", "")};
  RETURN_IF_ERROR(reader.Check());
  if (words.step < 0 || words.optimizer_steps < 0) return Misfit(path, "does not tell its step");
  return words;
}

}  // namespace

// f(name, value) for every tensor of the state. A locked tower does not change and is not part of it.
template <class F>
void Trainer::VisitState(const F& f) {
  const nn::ParamVisitor model = [&](const std::string& name, nn::Param& param) {
    f("model." + name, param.MutableValue());
  };
  if (!image_->locked()) model_->image->Visit(model);
  if (!text_->locked()) model_->text->Visit(model);
  model("logit_scale", model_->logit_scale);
  if (model_->config.has_logit_bias) model("logit_bias", model_->logit_bias);
  optimizer_->Visit([&](const std::string& name, MutableTensorView moment) { f("optimizer." + name, moment); });
  if (ema_ == nullptr) return;
  ema_->Visit([&](const std::string& name, MutableTensorView average) { f("ema." + name, average); });
}

Status Trainer::SaveState(const std::string& path, const std::string& about) {
  std::map<std::string, TensorView> tensors;
  VisitState([&](const std::string& name, MutableTensorView value) { tensors[name] = value; });
  const Json json = {{"step", step_},
                     {"optimizer_steps", optimizer_->steps()},
                     {"ema_updates", ema_ == nullptr ? 0 : ema_->updates()},
                     {"about", about}};
  const std::string bytes = json.dump();
  tensors[kAbout] = TensorView(bytes.data(), DType::kU8, Shape{static_cast<int64_t>(bytes.size())});
  return SaveSafetensors(path, tensors);
}

Result<std::string> Trainer::ReadAbout(const std::string& path) {
  ASSIGN_OR_RETURN(const StateDict state, LoadSafetensors(path));
  ASSIGN_OR_RETURN(Words words, ReadWords(state, path));
  return std::move(words.about);
}

Status Trainer::LoadState(const std::string& path) {
  ASSIGN_OR_RETURN(const StateDict state, LoadSafetensors(path));
  ASSIGN_OR_RETURN(const Words words, ReadWords(state, path));
  // Everything is checked before anything is changed.
  Status status;
  std::set<std::string> known = {kAbout};
  VisitState([&](const std::string& name, MutableTensorView value) {
    known.insert(name);
    const auto it = state.find(name);
    if (!status.ok()) return;
    if (it == state.end()) {
      status = Misfit(path, "has no tensor \"" + name + "\"");
    } else if (it->second.view.dtype() != DType::kF32 || it->second.view.shape() != value.shape()) {
      status = Misfit(path, "tensor \"" + name + "\" has shape " + it->second.view.shape().ToString() +
                                ", this run's has " + value.shape().ToString());
    }
  });
  RETURN_IF_ERROR(status);
  for (const auto& [name, tensor] : state) {
    if (known.count(name) == 0) return Misfit(path, "holds a tensor \"" + name + "\" that this run has no place for");
  }

  VisitState([&](const std::string& name, MutableTensorView value) {
    std::copy_n(state.at(name).view.data<float>(), value.NumElements(), value.mutable_data<float>());
  });
  step_ = words.step;
  optimizer_->set_steps(words.optimizer_steps);
  if (ema_ != nullptr) ema_->set_updates(words.ema_updates);
  return Status::Ok();
}

}  // namespace diptych::train
