#include "clip/classifier.h"

#include <cmath>
#include <set>
#include <utility>

#include "checkpoint/safetensors.h"
#include "core/json.h"
#include "kernels/norms/norm.h"
#include "text/prompts.h"

namespace diptych {
namespace {

// A count that keeps memory small with 80 templates a label and the text tower's batches full.
constexpr size_t kTextsAtOnce = 4096;

Status Malformed(const std::string& path, const std::string& what) {
  return Corrupt(path, what, "it is no file that --save-classifier wrote");
}

Result<std::vector<std::string>> Strings(const Json& about, const char* key, const std::string& path) {
  std::vector<std::string> strings;
  const auto it = about.find(key);
  if (it == about.end() || !it->is_array()) return Malformed(path, std::string("lists no ") + key);
  for (const Json& item : *it) {
    if (!item.is_string()) return Malformed(path, std::string("its ") + key + " are not all strings");
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

// The rows under `name` as fp32; each must be a unit vector of the model's space.
Result<std::vector<float>> Rows(const StateDict& state, const std::string& name, int64_t e, const std::string& path) {
  const auto it = state.find(name);
  if (it == state.end()) return Malformed(path, "has no \"" + name + "\"");
  const TensorView& view = it->second.view;
  if (view.dtype() != DType::kF32 || view.shape().rank() != 2 || view.shape()[1] != e) {
    return Malformed(path, "its \"" + name + "\" are " + NameOf(view.dtype()) + " " + view.shape().ToString());
  }
  const float* data = view.data<float>();
  std::vector<float> rows(data, data + view.NumElements());
  for (const float value : rows) {
    if (!(std::abs(value) <= 1.001f)) return Malformed(path, "its \"" + name + "\" are not unit vectors");
  }
  return rows;
}

}  // namespace

Classifier MakeClassifier(const Clip& clip, Context& context, std::vector<std::string> labels,
                          std::vector<std::string> templates) {
  const size_t e = static_cast<size_t>(clip.embed_dim()), t = templates.size();
  CHECK_GE(t, 1u);
  Classifier classifier{std::move(labels), std::move(templates), {}, {}};
  const size_t n = classifier.labels.size();
  classifier.embeddings.resize(n * e);
  const size_t at_once = std::max<size_t>(1, kTextsAtOnce / t);
  std::vector<std::string> prompts;
  std::vector<float> each;  // (labels, templates, E)
  for (size_t begin = 0; begin < n; begin += at_once) {
    const size_t end = std::min(n, begin + at_once);
    prompts.clear();
    for (size_t i = begin; i < end; ++i) {
      for (const std::string& one : classifier.templates) prompts.push_back(FillTemplate(one, classifier.labels[i]));
    }
    float* out = classifier.embeddings.data() + begin * e;
    if (t == 1) {
      clip.EncodeTexts(context, prompts, out);
      continue;
    }
    each.resize(prompts.size() * e);
    clip.EncodeTexts(context, prompts, each.data());
    for (size_t i = 0; i < end - begin; ++i) {
      for (size_t k = 0; k < t; ++k) {
        const float* row = each.data() + (i * t + k) * e;
        for (size_t c = 0; c < e; ++c) out[i * e + c] += row[c] / static_cast<float>(t);
      }
    }
    kernels::L2Normalize(out, static_cast<int64_t>(end - begin), static_cast<int64_t>(e));
  }
  return classifier;
}

Status SaveClassifier(const std::string& path, const Classifier& classifier, const Clip& clip) {
  const int64_t e = clip.embed_dim();
  const Json about = {{"labels", classifier.labels},
                      {"templates", classifier.templates},
                      {"model", clip.fingerprint()},
                      {"model_family", clip.config().family}};
  // Labels of flags may hold any bytes; in the file they are UTF-8.
  const std::string text = about.dump(-1, ' ', false, Json::error_handler_t::replace);
  const auto rows = [e](const std::vector<float>& data) {
    return TensorView(data.data(), DType::kF32, Shape{static_cast<int64_t>(data.size()) / e, e});
  };
  std::map<std::string, TensorView> tensors;
  tensors["about"] = TensorView(text.data(), DType::kU8, Shape{static_cast<int64_t>(text.size())});
  tensors["embeddings"] = rows(classifier.embeddings);
  tensors["background"] = rows(classifier.background);
  return SaveSafetensors(path, tensors);
}

Result<Classifier> LoadClassifier(const std::string& path, const Clip& clip) {
  ASSIGN_OR_RETURN(const StateDict state, LoadSafetensors(path));
  const auto it = state.find("about");
  if (it == state.end() || it->second.view.dtype() != DType::kU8) return Malformed(path, "does not say what it is");
  const TensorView& bytes = it->second.view;
  ASSIGN_OR_RETURN(const Json about,
                   ParseJson({reinterpret_cast<const char*>(bytes.data<uint8_t>()), bytes.SizeBytes()}, path));
  JsonReader reader(about, path);
  const std::string model = reader.String("model", ""), family = reader.String("model_family", "unknown");
  RETURN_IF_ERROR(reader.Check());
  if (model != clip.fingerprint()) {
    return Unsupported(path,
                       "was made by another model (" + family + ", " + model + "), this one is " +
                           clip.config().family + ", " + clip.fingerprint(),
                       "make it anew with --save-classifier, or give --model");
  }
  Classifier classifier;
  ASSIGN_OR_RETURN(classifier.labels, Strings(about, "labels", path));
  ASSIGN_OR_RETURN(classifier.templates, Strings(about, "templates", path));
  ASSIGN_OR_RETURN(classifier.embeddings, Rows(state, "embeddings", clip.embed_dim(), path));
  ASSIGN_OR_RETURN(classifier.background, Rows(state, "background", clip.embed_dim(), path));
  const size_t rows = classifier.embeddings.size() / static_cast<size_t>(clip.embed_dim());
  if (rows == 0 || rows != classifier.labels.size()) {
    return Malformed(path, "has " + std::to_string(rows) + " embeddings for " +
                               std::to_string(classifier.labels.size()) + " labels");
  }
  const std::set<std::string> distinct(classifier.labels.begin(), classifier.labels.end());
  if (distinct.size() != rows) return Malformed(path, "names a label twice");
  return classifier;
}

}  // namespace diptych
