#include "clip/save.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.h"
#include "clip/names.h"
#include "clip/write_config.h"
#include "core/file.h"
#include "nn/linear.h"
#include "text/clip_files.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

// What each layout calls its files.
struct LayoutFiles {
  const char* weights;
  const char* config;
};
LayoutFiles FilesOf(Container layout) {
  if (layout == Container::kOpenClip) return {"open_clip_model.safetensors", "open_clip_config.json"};
  return {"model.safetensors", "config.json"};
}

// The projections of both towers are (D, E) in open_clip and (E, D) in transformers.
bool IsProjectionMatrix(const std::string& name) {
  return name == "visual.proj" || name == "text_projection";
}

kernels::WeightOrder OrderOf(const ClipConfig& config, const std::string& name) {
  if (name == "text_projection") return std::get<TransformerConfig>(config.text).projection_order;
  const auto* vit = std::get_if<VitConfig>(&config.image);
  return vit == nullptr ? kernels::WeightOrder::kInOut : vit->projection_order;
}

Tensor Transposed(const std::vector<float>& x, int64_t rows, int64_t columns) {
  Tensor y = Tensor::Uninitialized(DType::kF32, {columns, rows});
  float* out = y.mutable_data<float>();
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) *out++ = x[static_cast<size_t>(i * columns + j)];
  }
  return y;
}

// Tensors under the layout's names. Values that are fp32 in one piece are not copied. Adapters are saved as part of the
// weights that they adapt.
class Gatherer {
 public:
  Gatherer(ClipModel& model, Container layout) : config_(model.config), layout_(layout) {
    const nn::LinearVisitor note = [&](const std::string&, nn::Linear& linear) {
      if (!linear.lora) return;
      adapted_[&linear.w] = &linear;
      adapters_.insert({&linear.lora->a, &linear.lora->b});
    };
    for (int group = 0; group < model.image->group_count(); ++group) model.image->VisitLinears(group, note);
    for (int group = 0; group < model.text->group_count(); ++group) model.text->VisitLinears(group, note);
  }

  void operator()(const std::string& name, nn::Param& param) {
    if (adapters_.count(&param) != 0) return;
    const auto wanted = layout_ == Container::kOpenClip ? kernels::WeightOrder::kInOut : kernels::WeightOrder::kOutIn;
    if (IsProjectionMatrix(name) && OrderOf(config_, name) != wanted) {
      owned_.push_back(Transposed(param.ToFloats(), param.shape()[0], param.shape()[1]));
      tensors_[StoredNames(layout_, name)[0][0]] = owned_.back().view();
      return;
    }
    const float* data = nullptr;
    const auto adapted = adapted_.find(&param);
    if (adapted == adapted_.end() && param.parts().size() == 1 && param.value().view.dtype() == DType::kF32) {
      data = param.value().view.data<float>();
    } else {
      Tensor copy = Tensor::Uninitialized(DType::kF32, param.shape());
      const std::vector<float> floats = param.ToFloats();
      std::copy(floats.begin(), floats.end(), copy.mutable_data<float>());
      if (adapted != adapted_.end()) {
        const nn::Linear& linear = *adapted->second;
        linear.lora->AddTo(linear.config.order, copy.mutable_data<float>());
      }
      data = copy.data<float>();
      owned_.push_back(std::move(copy));
    }
    Split(StoredNames(layout_, name)[0], data, param.shape());
  }

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }

 private:
  // Query, key and value are one parameter here and three tensors in some containers.
  void Split(const std::vector<std::string>& names, const float* data, const Shape& shape) {
    Shape part = shape;
    if (names.size() > 1) {
      std::vector<int64_t> dims;
      for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
      dims[0] /= static_cast<int64_t>(names.size());
      part = Shape(dims.data(), shape.rank());
    }
    for (const std::string& name : names) {
      tensors_[name] = TensorView(data, DType::kF32, part);
      data += part.NumElements();
    }
  }

  const ClipConfig& config_;
  Container layout_;
  std::map<std::string, TensorView> tensors_;
  std::vector<Tensor> owned_;
  std::map<const nn::Param*, const nn::Linear*> adapted_;
  std::set<const nn::Param*> adapters_;
};

Status WriteTokenizer(const ClipConfig& config, Container layout, const fs::path& folder) {
  if (config.builtin_tokenizer) {
    if (layout == Container::kOpenClip) return Status::Ok();  // open_clip has the vocabulary too
    for (const auto& [name, bytes] : ClipTokenizerFiles(config.tokenizer.context_length)) {
      RETURN_IF_ERROR(WriteFileAtomically((folder / name).string(), bytes));
    }
    return Status::Ok();
  }
  std::error_code error;
  if (fs::equivalent(config.folder, folder, error)) return Status::Ok();
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
                           "merges.txt", "vocab.txt", "text_config.json"}) {
    const fs::path from = fs::path(config.folder) / name;
    if (!fs::exists(from, error)) continue;
    ASSIGN_OR_RETURN(const std::string bytes, ReadFile(from.string()));
    RETURN_IF_ERROR(WriteFileAtomically((folder / name).string(), bytes));
  }
  return Status::Ok();
}

}  // namespace

bool HoldsModel(const std::string& folder) {
  for (const Container layout : {Container::kOpenClip, Container::kHuggingFace}) {
    const LayoutFiles files = FilesOf(layout);
    for (const char* name : {files.weights, files.config}) {
      std::error_code ignored;
      if (fs::exists(fs::path(folder) / name, ignored)) return true;
    }
  }
  return false;
}

Status SaveClipModel(ClipModel& model, Container layout, const std::string& folder) {
  const ClipConfig& config = model.config;
  RETURN_IF_ERROR(CheckLayout(config, layout));
  const fs::path root(folder);
  std::error_code error;
  fs::create_directories(root, error);
  if (error) return IoError(folder, "cannot be made: " + error.message());
  RETURN_IF_ERROR(WriteTokenizer(config, layout, root));
  const LayoutFiles files = FilesOf(layout);
  Gatherer gather(model, layout);
  model.Visit([&](const std::string& name, nn::Param& param) { gather(name, param); });
  RETURN_IF_ERROR(SaveSafetensors((root / files.weights).string(), gather.tensors()));
  if (layout == Container::kHuggingFace) {
    RETURN_IF_ERROR(WriteFileAtomically((root / "preprocessor_config.json").string(), HuggingFacePreprocessor(config)));
  }
  const std::string json = layout == Container::kOpenClip ? OpenClipConfigJson(config) : HuggingFaceConfigJson(config);
  return WriteFileAtomically((root / files.config).string(), json);
}

Status CheckLayout(const ClipConfig& config, Container layout) {
  return layout == Container::kOpenClip ? CheckOpenClipLayout(config) : CheckHuggingFaceLayout(config);
}

}  // namespace diptych
