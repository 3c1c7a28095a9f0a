#include "clip/clip.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "clip/names.h"
#include "kernels/norm.h"
#include "kernels/softmax.h"

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

// FNV-1a, 64 bits.
class Hash {
 public:
  void Add(const void* data, size_t bytes) {
    const auto* p = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < bytes; ++i) state_ = (state_ ^ p[i]) * 0x100000001b3u;
  }
  std::string Hex() const {
    std::string text(16, '0');
    for (int i = 0; i < 16; ++i) text[15 - i] = "0123456789abcdef"[(state_ >> (4 * i)) & 15];
    return text;
  }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

// What all texts begin with, computed once, where that saves work: prompts made from one template share most of their
// rows. The last token of every text stays outside, so that the pooled row does.
std::unique_ptr<TextPrefix> SharedPrefix(Context& context, const TextTowerPlan& plan,
                                         const std::vector<std::vector<int32_t>>& texts) {
  constexpr size_t kFewestTexts = 4, kShortest = 3;
  if (texts.size() < kFewestTexts) return nullptr;
  size_t shared = texts[0].size() - 1;
  for (const std::vector<int32_t>& text : texts) {
    shared = std::min(shared, text.size() - 1);
    shared = static_cast<size_t>(std::mismatch(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(shared),
                                               texts[0].begin()).first - text.begin());
  }
  if (shared < kShortest) return nullptr;
  // A tower that pools at the largest id must find it behind the prefix; CLIP's is the end token, but a text may hold
  // one in its middle.
  const auto end = texts[0].begin() + static_cast<std::ptrdiff_t>(shared);
  const int32_t largest = *std::max_element(texts[0].begin(), end);
  for (const std::vector<int32_t>& text : texts) {
    if (*std::max_element(text.begin() + static_cast<std::ptrdiff_t>(shared), text.end()) <= largest) return nullptr;
  }
  return plan.ComputePrefix(context, {texts[0].data(), shared});
}

// What the table of families knows beyond the checkpoint's own files.
void AddTableFacts(const ResolvedModel& resolved, ClipConfig& config) {
  constexpr char kTable[] = "table of families";
  if (!resolved.note.empty()) config.facts.push_back({"name", resolved.note, kTable});
  if (resolved.row == nullptr) return;
  const FamilyRow& row = *resolved.row;
  config.license = row.license;
  config.facts.push_back({"family", std::string(row.family), kTable});
  config.facts.push_back({"licence", std::string(row.license), kTable});
  if (row.imagenet_top1 > 0) {
    const std::string percent = std::to_string(row.imagenet_top1);
    config.facts.push_back({"published ImageNet top-1", percent.substr(0, percent.find('.') + 2) + " %", kTable});
  }
  if (!row.note.empty()) config.facts.push_back({"note", std::string(row.note), kTable});
}

}  // namespace

Result<std::unique_ptr<Clip>> Clip::Load(const std::string& name, const LoadOptions& options) {
  ASSIGN_OR_RETURN(const ResolvedModel resolved, ResolveModel(name, options.resolve));
  const std::string& folder = resolved.folder;
  std::unique_ptr<Clip> clip(new Clip);
  clip->options_ = options;
  ASSIGN_OR_RETURN(clip->config_, LoadClipConfig(folder));
  AddTableFacts(resolved, clip->config_);
  const ClipConfig& config = clip->config_;
  ASSIGN_OR_RETURN(const StateDict state, LoadWeights(config));
  clip->image_ = MakeImageTower(config.image);
  clip->text_ = MakeTextTower(config.text);

  nn::Param scale(Shape{}), bias(Shape{});
  Binder binder(state, config);
  const nn::ParamVisitor bind = [&](const std::string& n, nn::Param& p) { binder(n, p); };
  clip->image_->Visit(bind);
  clip->text_->Visit(bind);
  binder("logit_scale", scale);
  if (config.has_logit_bias) binder("logit_bias", bias);
  RETURN_IF_ERROR(binder.Finish());
  clip->logit_scale_ = std::exp(scale.Scalar());
  if (config.has_logit_bias) clip->logit_bias_ = bias.Scalar();
  if (!std::isfinite(clip->logit_scale_) || !std::isfinite(clip->logit_bias_)) {
    return Corrupt(folder, "the stored logit_scale or logit_bias is not a finite number");
  }

  Status text_status;
  const auto load_text = [&] {
    text_status = clip->LoadTextSide();
    if (text_status.ok() && options.prepare_text) clip->text_plan();
  };
  if (options.prepare_image) {
    std::thread beside(load_text);
    clip->image_plan();
    beside.join();
  } else {
    load_text();
  }
  RETURN_IF_ERROR(text_status);
  return clip;
}

Status Clip::LoadTextSide() {
  if (config_.builtin_tokenizer) {
    tokenizer_ = MakeClipTokenizer(config_.tokenizer);
  } else {
    ASSIGN_OR_RETURN(tokenizer_, LoadTokenizer(config_.folder, config_.tokenizer));
  }
  const int32_t known = tokenizer_->vocab_size(), embedded = text_->info().vocab_size;
  if (known <= embedded) return Status::Ok();
  return Corrupt(config_.folder, "the tokenizer knows " + std::to_string(known) + " tokens, the text tower only " +
                                     std::to_string(embedded));
}

const std::string& Clip::fingerprint() const {
  std::call_once(fingerprint_once_, [this] {
    constexpr size_t kSample = 64;  // bytes at both ends and the middle of each tensor
    Hash hash;
    const nn::ParamVisitor add = [&](const std::string& name, nn::Param& param) {
      const std::string shape = param.shape().ToString();
      hash.Add(name.data(), name.size());
      hash.Add(shape.data(), shape.size());
      for (const nn::SharedView& part : param.parts()) {
        const auto* bytes = static_cast<const uint8_t*>(part.view.raw());
        const size_t size = part.view.SizeBytes(), n = std::min(size, kSample);
        for (const size_t at : {size_t{0}, (size - n) / 2, size - n}) hash.Add(bytes + at, n);
      }
    };
    image_->Visit(add);
    text_->Visit(add);
    hash.Add(&logit_scale_, sizeof logit_scale_);
    hash.Add(&logit_bias_, sizeof logit_bias_);
    fingerprint_ = hash.Hex();
  });
  return fingerprint_;
}

int64_t Clip::parameter_count() const {
  int64_t count = 1 + (config_.has_logit_bias ? 1 : 0);  // scale and bias
  const nn::ParamVisitor add = [&](const std::string&, nn::Param& param) {
    if (param.role() == nn::Param::Role::kWeight) count += param.shape().NumElements();
  };
  image_->Visit(add);
  text_->Visit(add);
  return count;
}

const ImageTowerPlan& Clip::image_plan() const {
  std::call_once(image_once_, [this] { image_plan_ = image_->Prepare(options_.precision); });
  return *image_plan_;
}

const TextTowerPlan& Clip::text_plan() const {
  std::call_once(text_once_, [this] { text_plan_ = text_->Prepare(options_.precision); });
  return *text_plan_;
}

void Clip::EncodeImages(Context& context, const float* pixels, int64_t batch, float* embeddings,
                        bool normalize) const {
  if (batch == 0) return;
  image_plan().Forward(context, {.pixels = pixels, .batch = batch}, {.pooled = embeddings});
  if (normalize) kernels::L2Normalize(embeddings, batch, embed_dim());
}

void Clip::EncodeTexts(Context& context, std::span<const std::string> texts, float* embeddings, bool normalize) const {
  if (texts.empty()) return;
  const TextTowerPlan& plan = text_plan();
  const TextTowerInfo& tower = plan.info();
  std::vector<std::vector<int32_t>> all;
  for (const std::string& text : texts) {
    all.push_back(tokenizer_->Encode(text));
    if (tower.sees_padding) all.back().resize(static_cast<size_t>(tower.context_length), tokenizer_->pad_id());
  }
  const std::unique_ptr<TextPrefix> prefix = SharedPrefix(context, plan, all);
  const size_t skipped = prefix == nullptr ? 0 : prefix->ids.size();

  // Enough rows to keep the matrix products at their peak, few enough to stay in cache.
  constexpr size_t kMaxRows = 512;
  std::vector<int32_t> ids, lengths;
  float* out = embeddings;
  for (size_t i = 0; i < all.size(); ++i) {
    ids.insert(ids.end(), all[i].begin() + static_cast<std::ptrdiff_t>(skipped), all[i].end());
    lengths.push_back(static_cast<int32_t>(all[i].size() - skipped));
    if (i + 1 < all.size() && ids.size() + all[i + 1].size() - skipped <= kMaxRows) continue;
    plan.Forward(context, {.ids = ids, .lengths = lengths, .prefix = prefix.get()}, {.pooled = out});
    out += static_cast<int64_t>(lengths.size()) * embed_dim();
    ids.clear();
    lengths.clear();
  }
  if (normalize) kernels::L2Normalize(embeddings, static_cast<int64_t>(texts.size()), embed_dim());
}

void Clip::Logits(const float* images, int64_t q, const float* texts, int64_t n, float* logits) const {
  const int64_t e = embed_dim();
  for (int64_t i = 0; i < q; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float dot = 0.0f;
      for (int64_t k = 0; k < e; ++k) dot += images[i * e + k] * texts[j * e + k];
      logits[i * n + j] = logit_scale_ * dot + logit_bias_;
    }
  }
}

void Clip::Probabilities(float* logits, int64_t q, int64_t n) const {
  if (!config_.has_logit_bias) return kernels::Softmax(logits, q, n);
  for (int64_t i = 0; i < q * n; ++i) logits[i] = 1.0f / (1.0f + std::exp(-logits[i]));
}

}  // namespace diptych
