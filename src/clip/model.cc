#include "clip/model.h"

#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "clip/names.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

Result<StateDict> LoadWeights(const ClipConfig& config) {
  StateDict all;
  for (const std::string& file : config.weights) {
    const std::string path = (fs::path(config.folder) / file).string();
    ASSIGN_OR_RETURN(StateDict part, LoadCheckpoint(path));
    all.merge(part);
  }
  return all;
}

// Hands stored tensors to parameters by name, and remembers what is left over.
class Binder {
 public:
  Binder(const StateDict& state, const ClipConfig& config) : state_(state), config_(config) {}

  void operator()(const std::string& name, nn::Param& param) {
    if (!status_.ok()) return;
    const std::vector<std::string>* names = nullptr;
    const std::vector<std::vector<std::string>> alternatives = StoredNames(config_.container, name);
    for (const auto& one : alternatives) {
      if (names == nullptr && state_.count(one[0]) != 0) names = &one;
    }
    if (names == nullptr) names = &alternatives[0];  // its absence is what the error then says
    status_ = Bind(*names, param);
  }

  // OK when every tensor of the file has found its place.
  Status Finish() const {
    RETURN_IF_ERROR(status_);
    std::string extra;
    int count = 0;
    for (const auto& [name, tensor] : state_) {
      if (used_.count(name) != 0 || IsIgnorableTensor(name)) continue;
      if (++count <= 3) extra += (extra.empty() ? "\"" : ", \"") + name + "\"";
    }
    if (count == 0) return Status::Ok();
    if (count > 3) extra += " and " + std::to_string(count - 3) + " more";
    return Corrupt(config_.folder,
                   "the model has no place for the stored tensor" + std::string(count > 1 ? "s " : " ") + extra,
                   "the configuration may describe another model");
  }

 private:
  Status Bind(const std::vector<std::string>& names, nn::Param& param) {
    std::vector<nn::SharedView> parts;
    int64_t elements = 0;
    std::string shapes;
    for (const std::string& stored : names) {
      const auto it = state_.find(stored);
      if (it == state_.end()) {
        return Corrupt(config_.folder, "tensor \"" + stored + "\" is missing",
                       "the file may be cut short, or the configuration describe another model");
      }
      used_.insert(stored);
      const TensorView& view = it->second.view;
      if (view.dtype() != DType::kF32 && view.dtype() != DType::kF16 && view.dtype() != DType::kBF16) {
        return Unsupported(it->second.file, "tensor \"" + stored + "\" is " + NameOf(view.dtype()),
                           "weights must be fp32, fp16 or bf16");
      }
      elements += view.NumElements();
      shapes += (shapes.empty() ? "" : " + ") + view.shape().ToString();
      parts.push_back({view, it->second.owner});
    }
    if (!SameShape(parts, param.shape()) || elements != param.shape().NumElements()) {
      return Corrupt(config_.folder, "tensor \"" + names[0] + "\" has shape " + shapes +
                                         ", the configuration asks for " + param.shape().ToString());
    }
    param.Bind(std::move(parts));
    return Status::Ok();
  }

  // Leading ones do not count: containers differ in them.
  static bool SameShape(const std::vector<nn::SharedView>& parts, const Shape& wanted) {
    const Shape& stored = parts[0].view.shape();
    int first = 0;
    while (stored.rank() - first > wanted.rank() && stored[first] == 1) ++first;
    if (stored.rank() - first != wanted.rank()) return false;
    for (int i = parts.size() > 1 ? 1 : 0; i < wanted.rank(); ++i) {
      if (stored[first + i] != wanted[i]) return false;
    }
    return true;
  }

  const StateDict& state_;
  const ClipConfig& config_;
  std::set<std::string> used_;
  Status status_;
};

}  // namespace

void ClipModel::Visit(const nn::ParamVisitor& visit) {
  image->Visit(visit);
  text->Visit(visit);
  visit("logit_scale", logit_scale);
  if (config.has_logit_bias) visit("logit_bias", logit_bias);
}

int64_t ClipModel::parameter_count() {
  int64_t count = 0;
  Visit([&](const std::string&, nn::Param& param) {
    if (param.role() == nn::Param::Role::kWeight) count += param.shape().NumElements();
  });
  return count;
}

ClipModel MakeClipModel(const ClipConfig& config) {
  ClipModel model;
  model.config = config;
  model.image = MakeImageTower(config.image);
  model.text = MakeTextTower(config.text);
  return model;
}

Status BindWeights(ClipModel& model) {
  ASSIGN_OR_RETURN(const StateDict state, LoadWeights(model.config));
  Binder binder(state, model.config);
  model.Visit([&](const std::string& name, nn::Param& param) { binder(name, param); });
  RETURN_IF_ERROR(binder.Finish());
  const float scale = std::exp(model.logit_scale.Scalar());
  const float bias = model.config.has_logit_bias ? model.logit_bias.Scalar() : 0.0f;
  if (std::isfinite(scale) && std::isfinite(bias)) return Status::Ok();
  return Corrupt(model.config.folder, "the stored logit_scale or logit_bias is not a finite number");
}

Status BindTokenizer(ClipModel& model) {
  const ClipConfig& config = model.config;
  if (config.builtin_tokenizer) {
    model.tokenizer = MakeClipTokenizer(config.tokenizer);
  } else {
    ASSIGN_OR_RETURN(model.tokenizer, LoadTokenizer(config.folder, config.tokenizer));
  }
  const int32_t known = model.tokenizer->vocab_size(), embedded = model.text->info().vocab_size;
  if (known <= embedded) return Status::Ok();
  return Corrupt(config.folder, "the tokenizer knows " + std::to_string(known) + " tokens, the text tower only " +
                                    std::to_string(embedded));
}

Result<ClipModel> LoadClipModel(const std::string& folder) {
  ASSIGN_OR_RETURN(const ClipConfig config, LoadClipConfig(folder));
  ClipModel model = MakeClipModel(config);
  RETURN_IF_ERROR(BindWeights(model));
  RETURN_IF_ERROR(BindTokenizer(model));
  return model;
}

}  // namespace diptych
