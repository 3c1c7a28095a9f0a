#include "clip/clip.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

#include "core/hash.h"
#include "kernels/norm.h"
#include "kernels/softmax.h"

namespace diptych {
namespace {

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
  ASSIGN_OR_RETURN(ClipConfig config, LoadClipConfig(resolved.folder));
  AddTableFacts(resolved, config);
  config.facts.push_back({"precision", NameOf(options.precision), options.precision_source});
  const auto model = std::make_shared<ClipModel>(MakeClipModel(config));
  RETURN_IF_ERROR(BindWeights(*model));
  std::unique_ptr<Clip> clip(new Clip(model, options.precision));

  Status text_status;
  const auto load_text = [&] {
    text_status = BindTokenizer(*model);
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

std::unique_ptr<Clip> Clip::Of(std::shared_ptr<ClipModel> model) {
  return std::unique_ptr<Clip>(new Clip(std::move(model), kernels::Precision::kF32));
}

Clip::Clip(std::shared_ptr<ClipModel> model, kernels::Precision precision)
    : model_(std::move(model)),
      precision_(precision),
      logit_scale_(std::exp(model_->logit_scale.Scalar())),
      logit_bias_(model_->config.has_logit_bias ? model_->logit_bias.Scalar() : 0.0f) {}

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
    model_->image->Visit(add);
    model_->text->Visit(add);
    hash.Add(&logit_scale_, sizeof logit_scale_);
    hash.Add(&logit_bias_, sizeof logit_bias_);
    fingerprint_ = hash.Hex();
  });
  return fingerprint_;
}

int64_t Clip::parameter_count() const { return model_->parameter_count(); }

const ImageTowerPlan& Clip::image_plan() const {
  std::call_once(image_once_, [this] { image_plan_ = model_->image->Prepare(precision_); });
  return *image_plan_;
}

const TextTowerPlan& Clip::text_plan() const {
  // A label's error is in every answer, while its embedding is made once: 8 bits would cost the starter 1.7 points of
  // zero-shot accuracy on CIFAR-10.
  const kernels::Precision precision =
      precision_ == kernels::Precision::kInt8 ? kernels::Precision::kBF16 : precision_;
  std::call_once(text_once_, [&] { text_plan_ = model_->text->Prepare(precision); });
  return *text_plan_;
}

void Clip::EncodeImages(Context& context, const float* pixels, int64_t batch, float* embeddings,
                        bool normalize) const {
  if (batch == 0) return;
  image_plan().Forward(context, {.pixels = pixels, .batch = batch}, {.pooled = embeddings});
  if (normalize) Normalize(embeddings, batch);
}

void Clip::Normalize(float* embeddings, int64_t count) const { kernels::L2Normalize(embeddings, count, embed_dim()); }

void Clip::EncodeTexts(Context& context, std::span<const std::string> texts, float* embeddings, bool normalize) const {
  std::vector<std::vector<int32_t>> ids;
  ids.reserve(texts.size());
  for (const std::string& text : texts) ids.push_back(tokenizer().Encode(text));
  EncodeIds(context, std::move(ids), embeddings, normalize);
}

void Clip::EncodeIds(Context& context, std::vector<std::vector<int32_t>> all, float* embeddings,
                     bool normalize) const {
  if (all.empty()) return;
  const TextTowerPlan& plan = text_plan();
  const TextTowerInfo& tower = plan.info();
  if (tower.sees_padding) {
    for (auto& text : all) text.resize(static_cast<size_t>(tower.context_length), tokenizer().pad_id());
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
  if (normalize) Normalize(embeddings, static_cast<int64_t>(all.size()));
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
  if (!config().has_logit_bias) return kernels::Softmax(logits, q, n);
  for (int64_t i = 0; i < q * n; ++i) logits[i] = 1.0f / (1.0f + std::exp(-logits[i]));
}

}  // namespace diptych
