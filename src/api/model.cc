#include "diptych/model.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "api/impl.h"
#include "api/pictures.h"
#include "api/process.h"
#include "apps/classify.h"
#include "apps/info.h"
#include "diptych/version.h"

namespace diptych {
namespace {

// A loop without branches, so that it is vectorised: a picture is 150,000 numbers.
bool AllFinite(const float* x, int64_t n) {
  constexpr uint32_t kExponent = 0x7f800000u;
  uint32_t bad = 0;
  for (int64_t i = 0; i < n; ++i) bad |= (std::bit_cast<uint32_t>(x[i]) & kExponent) == kExponent ? 1u : 0u;
  return bad == 0;
}

bool Stopped(const Watch* watch) { return watch != nullptr && watch->stop; }

}  // namespace

const char* Version() {
  return DIPTYCH_VERSION;
}

const std::vector<std::string>& LabelSet::labels() const {
  return impl_->classifier.labels;
}

Model::Impl::Impl(std::shared_ptr<const Clip> loaded, const ModelOptions& options)
    : clip(std::move(loaded)), name(ModelName(options.model)), processor(nullptr) {
  runtime.threads = ThreadCount(options);
}

Status Model::Impl::SetPictures(const PictureOptions& options) {
  auto next = std::make_shared<Processor::Impl>();
  ASSIGN_OR_RETURN(next->batch, MakeBatchOptions(options, clip->config(), runtime));
  next->tokenizer = std::shared_ptr<const Tokenizer>(clip, &clip->tokenizer());
  next->info = MakeProcessorInfo(name, clip->config(), clip->tokenizer());
  calls = std::make_shared<CallBatcher>(clip, runtime.threads, next->batch.batch);
  before = next;
  processor = Processor(std::move(next));
  return Status::Ok();
}

Result<Model> Model::Load(const ModelOptions& options, const PictureOptions& pictures) {
  ASSIGN_OR_RETURN(std::unique_ptr<Clip> clip, LoadModel(options));
  auto impl = std::make_shared<Impl>(std::move(clip), options);
  RETURN_IF_ERROR(impl->SetPictures(pictures));
  return Model(std::move(impl));
}

Result<Classification> Model::Classify(const Picture& picture, const std::vector<std::string>& labels,
                                       const ClassifyOptions& options) const {
  ClassifyOptions of_call = options;
  of_call.labels = labels;
  of_call.label_lists.clear();
  of_call.labels_file.clear();
  of_call.classifier.clear();
  ASSIGN_OR_RETURN(const LabelSet set, MakeLabels(of_call));
  return Classify(picture, set, options);
}

Result<LabelSet> Model::MakeLabels(const ClassifyOptions& options) const {
  RETURN_IF_ERROR(EnterProcess());
  ASSIGN_OR_RETURN(Classifier classifier, PrepareClassifier(*impl_->clip, options, impl_->runtime));
  return LabelSet(std::make_shared<LabelSet::Impl>(
      LabelSet::Impl{.classifier = std::move(classifier), .model = impl_->clip->fingerprint()}));
}

Result<Classification> Model::Classify(const Picture& picture, const LabelSet& labels,
                                       const ClassifyOptions& options) const {
  ASSIGN_OR_RETURN(std::vector<Classification> results, ClassifyAll({picture}, labels, options));
  return std::move(results.front());
}

Result<std::vector<Classification>> Model::ClassifyAll(const std::vector<Picture>& pictures, const LabelSet& labels,
                                                       const ClassifyOptions& options, Watch* watch) const {
  const Classifier& classifier = labels.impl().classifier;
  if (labels.impl().model != impl_->clip->fingerprint()) {
    return InvalidArgument("labels", "the label set was made by another model");
  }
  if (options.top < 1) return InvalidArgument("top", "must be at least 1");
  if (options.reject && classifier.background.empty()) {
    return InvalidArgument("reject", "the label set was made without a background",
                           "set reject in the options of MakeLabels too");
  }
  ASSIGN_OR_RETURN(const std::vector<float> embeddings, EmbedImages(pictures, {}, watch));
  const auto e = static_cast<size_t>(embed_dim());
  std::vector<Classification> results;
  results.reserve(pictures.size());
  for (size_t i = 0; i < pictures.size(); ++i) {
    results.push_back(ClassifyEmbedding(*impl_->clip, classifier, options, {embeddings.data() + i * e, e}));
    results.back().path = pictures[i].name();
  }
  return results;
}

Result<std::vector<float>> Model::EmbedImage(const Picture& picture) const {
  return EmbedImages({picture});
}

Result<std::vector<float>> Model::EmbedText(const std::string& text) const {
  return EmbedTexts({text});
}

Result<std::vector<float>> Model::EmbedImages(const std::vector<Picture>& pictures, const EmbedOptions& options,
                                              Watch* watch) const {
  RETURN_IF_ERROR(EnterProcess());
  if (pictures.size() == 1) {  // perhaps one of many such calls
    ASSIGN_OR_RETURN(const std::vector<float> pixels, processor().Pixels(pictures, nullptr));
    std::vector<float> embedding(static_cast<size_t>(embed_dim()));
    impl_->calls->Encode(pixels.data(), 1, embedding.data(), !options.no_normalize);
    if (watch != nullptr) ++watch->done;
    return embedding;
  }
  BatchOptions batch = impl_->before->batch;
  batch.normalize = !options.no_normalize;
  std::vector<float> embeddings;
  embeddings.reserve(pictures.size() * static_cast<size_t>(embed_dim()));
  Status first;
  EmbedPictures(*impl_->clip, SourceOf(pictures), batch, [&](const EmbeddedPicture& picture) {
    first = picture.status;
    embeddings.insert(embeddings.end(), picture.embedding.begin(), picture.embedding.end());
    if (watch != nullptr) ++watch->done;
    return first.ok() && !Stopped(watch);
  });
  RETURN_IF_ERROR(first);
  if (Stopped(watch)) return Cancelled("embed");
  return embeddings;
}

Result<std::vector<float>> Model::EmbedTexts(const std::vector<std::string>& texts, const EmbedOptions& options,
                                             Watch* watch) const {
  RETURN_IF_ERROR(EnterProcess());
  const auto e = static_cast<size_t>(embed_dim());
  std::vector<float> embeddings(texts.size() * e);
  std::unique_ptr<CallBatcher::Scratch> scratch = impl_->calls->TakeScratch(impl_->runtime.threads);
  constexpr size_t kAtOnce = 256;  // in apps/embed.cc too: few enough to be stopped between
  for (size_t begin = 0; begin < texts.size() && !Stopped(watch); begin += kAtOnce) {
    const auto some = std::span(texts).subspan(begin, std::min(kAtOnce, texts.size() - begin));
    impl_->clip->EncodeTexts(scratch->context, some, embeddings.data() + begin * e, !options.no_normalize);
    if (watch != nullptr) watch->done += static_cast<int64_t>(some.size());
  }
  impl_->calls->GiveBack(std::move(scratch));
  if (Stopped(watch)) return Cancelled("embed");
  return embeddings;
}

Result<std::vector<float>> Model::EmbedPixels(const float* pixels, int64_t count, const EmbedOptions& options,
                                              Watch* watch) const {
  RETURN_IF_ERROR(EnterProcess());
  const BatchOptions& usual = impl_->before->batch;
  const int64_t side = usual.preprocess->crop;
  if (!AllFinite(pixels, count * 3 * side * side)) {
    return InvalidArgument("pixels", "hold a value that is not a finite number");
  }
  std::vector<float> embeddings(static_cast<size_t>(count * embed_dim()));
  if (count > 0 && count < usual.batch) {
    impl_->calls->Encode(pixels, count, embeddings.data(), !options.no_normalize);
    if (watch != nullptr) watch->done += count;
    return embeddings;
  }
  BatchOptions batch = usual;
  batch.normalize = !options.no_normalize;
  PixelRun run{.pixels = pixels, .count = count, .embeddings = embeddings.data()};
  if (watch != nullptr) {
    run.stop = &watch->stop;
    run.done = &watch->done;
  }
  diptych::EmbedPixels(*impl_->clip, run, batch);
  if (Stopped(watch)) return Cancelled("embed");
  return embeddings;
}

Result<std::vector<float>> Model::EmbedIds(const int32_t* ids, int64_t count, int64_t length,
                                           const EmbedOptions& options, Watch* watch) const {
  RETURN_IF_ERROR(EnterProcess());
  const ProcessorInfo& info = processor().info();
  if (length < 1 || length > info.context_length) {
    return InvalidArgument("ids", "have " + std::to_string(length) + " tokens",
                           "this text tower takes 1 to " + std::to_string(info.context_length));
  }
  std::vector<std::vector<int32_t>> texts;
  texts.reserve(static_cast<size_t>(count));
  for (const int32_t* row = ids; row != ids + count * length; row += length) {
    for (int64_t i = 0; i < length; ++i) {
      if (row[i] >= 0 && row[i] < info.vocab_size) continue;
      return InvalidArgument("ids", std::to_string(row[i]) + " is no token",
                             "the vocabulary has " + std::to_string(info.vocab_size));
    }
    // Padding is not computed. One of it stays: it may be the end token too, whose first place is what is pooled.
    int64_t used = length;
    while (used > 1 && row[used - 1] == info.pad_id && row[used - 2] == info.pad_id) --used;
    texts.emplace_back(row, row + used);
  }
  std::vector<float> embeddings(static_cast<size_t>(count * embed_dim()));
  std::unique_ptr<CallBatcher::Scratch> scratch = impl_->calls->TakeScratch(impl_->runtime.threads);
  impl_->clip->EncodeIds(scratch->context, std::move(texts), embeddings.data(), !options.no_normalize);
  impl_->calls->GiveBack(std::move(scratch));
  if (watch != nullptr) watch->done += count;
  return embeddings;
}

Result<std::vector<float>> Model::Logits(const std::vector<float>& images, const std::vector<float>& texts) const {
  const auto e = static_cast<size_t>(embed_dim());
  for (const std::vector<float>* side : {&images, &texts}) {
    if (side->size() % e != 0) {
      return InvalidArgument("embeddings", std::to_string(side->size()) + " values are no rows",
                             "embeddings of this model have " + std::to_string(e));
    }
  }
  const size_t q = images.size() / e, n = texts.size() / e;
  std::vector<float> logits(q * n);
  impl_->clip->Logits(images.data(), static_cast<int64_t>(q), texts.data(), static_cast<int64_t>(n), logits.data());
  return logits;
}

const Processor& Model::processor() const {
  return impl_->processor;
}

int Model::embed_dim() const {
  return impl_->clip->embed_dim();
}

float Model::logit_scale() const {
  return impl_->clip->logit_scale();
}

float Model::logit_bias() const {
  return impl_->clip->logit_bias();
}

int Model::threads() const {
  return impl_->runtime.threads;
}

const char* Model::precision() const {
  return NameOf(impl_->clip->precision());
}

double Model::image_gflop() const {
  return 1e-9 * impl_->clip->image_plan().info().flops;
}

ModelInfo Model::Info() const {
  return DescribeModel(*impl_->clip, impl_->name);
}

Status Model::SetPictureOptions(const PictureOptions& options) {
  auto impl = std::make_shared<Impl>(*impl_);
  RETURN_IF_ERROR(impl->SetPictures(options));
  impl_ = std::move(impl);
  return Status::Ok();
}

}  // namespace diptych
