#include "clip/clip.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <numeric>
#include <thread>
#include <utility>

#include "core/hash.h"
#include "core/read_ahead.h"
#include "kernels/norms/norm.h"
#include "kernels/softmax.h"

namespace diptych {
namespace {

// Packing reads weight after weight and computes in between. Asked for beforehand, the disk is busy meanwhile.
void AskForPages(const std::string& /*name*/, const nn::Param& param) {
  for (const nn::SharedView& part : param.parts()) AskForMappedPages(part.view.raw(), part.view.SizeBytes());
}

// Visits each parameter of both towers, then 64 bytes of both ends and of the middle of each of its tensors.
void VisitSamples(ClipModel& model, const std::function<void(const std::string&, const nn::Param&)>& visit,
                  const std::function<void(const void*, size_t)>& visit_sample) {
  constexpr size_t kSample = 64;
  const nn::ParamVisitor both = [&](const std::string& name, nn::Param& param) {
    visit(name, param);
    for (const nn::SharedView& part : param.parts()) {
      const auto* bytes = static_cast<const uint8_t*>(part.view.raw());
      const size_t size = part.view.SizeBytes(), n = std::min(size, kSample);
      for (const size_t at : {size_t{0}, (size - n) / 2, size - n}) visit_sample(bytes + at, n);
    }
  };
  model.image->Visit(both);
  model.text->Visit(both);
}

// Texts in the order of their ids, so that what they begin with is computed once, cut into batches.
class TextBatches {
 public:
  using Texts = std::vector<std::vector<int32_t>>;

  TextBatches(const Texts& texts, bool sees_padding) : order_(texts.size()) {
    // Enough rows to keep the matrix products at their peak, few enough to stay in cache.
    constexpr size_t kMaxRows = 512;
    std::iota(order_.begin(), order_.end(), size_t{0});
    if (!sees_padding) {
      std::sort(order_.begin(), order_.end(), [&](size_t i, size_t j) { return texts[i] < texts[j]; });
    }
    size_t rows = 0;
    for (size_t i = 0; i < order_.size(); ++i) {
      const std::vector<int32_t>& text = texts[order_[i]];
      size_t added = text.size();
      if (i > 0 && !sees_padding) added -= Common(texts[order_[i - 1]], text);
      if (i == 0 || rows + added > kMaxRows) {
        begins_.push_back(i);
        rows = 0;
        added = text.size();
      }
      rows += added;
    }
    begins_.push_back(order_.size());
  }

  size_t count() const { return begins_.size() - 1; }
  /// Indices of the texts of batch i.
  std::span<const size_t> operator[](size_t i) const {
    return std::span(order_).subspan(begins_[i], begins_[i + 1] - begins_[i]);
  }

 private:
  // How many ids both begin with; the last of each is its own.
  static size_t Common(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
    const auto most = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()) - 1);
    return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin());
  }

  std::vector<size_t> order_, begins_;
};

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

Status SetTokenMerging(const std::string& model, int count, ClipConfig& config) {
  auto* vit = std::get_if<VitConfig>(&config.image);
  if (vit == nullptr) {
    return InvalidArgument("merge-tokens",
                           "the image tower of \"" + model + "\" is convolutional: it has no tokens to merge",
                           "leave it out, or take a model with a vision transformer");
  }
  vit->merge_tokens = count;
  config.facts.push_back({"tokens merged in each block", std::to_string(count), "asked for"});
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<Clip>> Clip::Load(const std::string& name, const LoadOptions& options) {
  ASSIGN_OR_RETURN(const ResolvedModel resolved, ResolveModel(name, options.resolve));
  ASSIGN_OR_RETURN(ClipConfig config, LoadClipConfig(resolved.folder));
  AddTableFacts(resolved, config);
  config.facts.push_back({"precision", NameOf(options.precision), options.precision_source});
  if (options.merge_tokens > 0) RETURN_IF_ERROR(SetTokenMerging(name, options.merge_tokens, config));
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
    // A model on a cold disk is touched in some hundred places: they are asked for at once, then read.
    VisitSamples(
        *model_, [](const std::string&, const nn::Param&) {}, AskForMappedPages);
    Hash hash;
    const auto add = [&](const void* bytes, size_t size) { hash.Add(bytes, size); };
    VisitSamples(
        *model_,
        [&](const std::string& name, const nn::Param& param) {
          const std::string shape = param.shape().ToString();
          add(name.data(), name.size());
          add(shape.data(), shape.size());
        },
        add);
    hash.Add(&logit_scale_, sizeof logit_scale_);
    hash.Add(&logit_bias_, sizeof logit_bias_);
    fingerprint_ = hash.Hex();
  });
  return fingerprint_;
}

int64_t Clip::parameter_count() const { return model_->parameter_count(); }

const ImageTowerPlan& Clip::image_plan() const {
  std::call_once(image_once_, [this] {
    model_->image->Visit(AskForPages);
    image_plan_ = model_->image->Prepare(precision_);
  });
  return *image_plan_;
}

const TextTowerPlan& Clip::text_plan() const {
  // A label's error is in every answer, while its embedding is made once: 8 bits would cost the starter 1.7 points of
  // zero-shot accuracy on CIFAR-10.
  const kernels::Precision precision =
      precision_ == kernels::Precision::kInt8 ? kernels::Precision::kBF16 : precision_;
  std::call_once(text_once_, [&] {
    // Of the embeddings, group 0, a text needs some rows.
    for (int group = 1; group < model_->text->group_count(); ++group) model_->text->VisitGroup(group, AskForPages);
    text_plan_ = model_->text->Prepare(precision);
  });
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
  const size_t e = static_cast<size_t>(embed_dim());
  if (tower.sees_padding) {
    for (auto& text : all) text.resize(static_cast<size_t>(tower.context_length), tokenizer().pad_id());
  }
  const TextBatches batches(all, tower.sees_padding);
  std::atomic<size_t> next = 0;
  const auto work = [&](Context& own) {
    std::vector<int32_t> ids, lengths;
    std::vector<float> rows;  // (texts, E)
    for (size_t i = next++; i < batches.count(); i = next++) {
      const std::span<const size_t> batch = batches[i];
      ids.clear();
      lengths.clear();
      for (const size_t text : batch) {
        ids.insert(ids.end(), all[text].begin(), all[text].end());
        lengths.push_back(static_cast<int32_t>(all[text].size()));
      }
      rows.resize(batch.size() * e);
      plan.Forward(own, {.ids = ids, .lengths = lengths}, {.pooled = rows.data()});
      for (size_t k = 0; k < batch.size(); ++k) std::copy_n(&rows[k * e], e, embeddings + batch[k] * e);
    }
  };
  // Several batches are for workers of one thread each, a lone one for a team.
  const size_t workers = std::min(batches.count(), static_cast<size_t>(context.threads()));
  if (workers == 1) {
    work(context);
  } else {
    std::vector<std::thread> pool;
    for (size_t i = 0; i < workers; ++i) {
      pool.emplace_back([&] {
        Context own(1);
        work(own);
      });
    }
    for (std::thread& thread : pool) thread.join();
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
