#include "diptych/model.h"

#include <optional>
#include <utility>

#include "apps/classify.h"
#include "apps/info.h"
#include "apps/runtime.h"
#include "diptych/version.h"

namespace diptych {

struct LabelSet::Impl {
  Classifier classifier;
  std::string model;  // fingerprint of the one that made it
};

struct Model::Impl {
  std::shared_ptr<const Clip> clip;
  std::string name;
  Runtime runtime;
  BatchOptions batch;
};

const char* Version() {
  return DIPTYCH_VERSION;
}

const std::vector<std::string>& LabelSet::labels() const {
  return impl_->classifier.labels;
}

Result<Model> Model::Load(const ModelOptions& options) {
  auto impl = std::make_shared<Impl>();
  ASSIGN_OR_RETURN(impl->clip, LoadModel(options));
  impl->name = ModelName(options.model);
  impl->runtime.threads = ThreadCount(options);
  ASSIGN_OR_RETURN(impl->batch, MakeBatchOptions({}, *impl->clip, impl->runtime));
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
  ASSIGN_OR_RETURN(Classifier classifier, PrepareClassifier(*impl_->clip, options, impl_->runtime));
  return LabelSet(std::make_shared<LabelSet::Impl>(
      LabelSet::Impl{.classifier = std::move(classifier), .model = impl_->clip->fingerprint()}));
}

Result<Classification> Model::Classify(const Picture& picture, const LabelSet& labels,
                                       const ClassifyOptions& options) const {
  if (labels.impl().model != impl_->clip->fingerprint()) {
    return InvalidArgument("labels", "the label set was made by another model");
  }
  if (options.top < 1) return InvalidArgument("top", "must be at least 1");
  if (options.reject && labels.impl().classifier.background.empty()) {
    return InvalidArgument("reject", "the label set was made without a background",
                           "set reject in the options of MakeLabels too");
  }
  ASSIGN_OR_RETURN(const std::vector<float> embedding, EmbedImage(picture));
  Classification result = ClassifyEmbedding(*impl_->clip, labels.impl().classifier, options, embedding);
  result.path = picture.name();
  return result;
}

Result<std::vector<float>> Model::EmbedImage(const Picture& picture) const {
  return EmbedImages({picture});
}

Result<std::vector<float>> Model::EmbedText(const std::string& text) const {
  return EmbedTexts({text});
}

Result<std::vector<float>> Model::EmbedImages(const std::vector<Picture>& pictures) const {
  size_t next = 0;
  const auto source = [&]() -> std::optional<PictureRef> {
    if (next == pictures.size()) return std::nullopt;
    const Picture& picture = pictures[next++];
    if (picture.bytes() == nullptr) return PictureRef{.name = picture.name(), .path = picture.name()};
    return PictureRef{.name = picture.name(),
                      .read = [bytes = picture.bytes()]() -> Result<std::string> { return *bytes; }};
  };
  std::vector<float> embeddings;
  embeddings.reserve(pictures.size() * static_cast<size_t>(embed_dim()));
  Status first;
  EmbedPictures(*impl_->clip, source, impl_->batch, [&](const EmbeddedPicture& picture) {
    first = picture.status;
    embeddings.insert(embeddings.end(), picture.embedding.begin(), picture.embedding.end());
    return first.ok();
  });
  RETURN_IF_ERROR(first);
  return embeddings;
}

Result<std::vector<float>> Model::EmbedTexts(const std::vector<std::string>& texts) const {
  std::vector<float> embeddings(texts.size() * static_cast<size_t>(embed_dim()));
  Context context(impl_->runtime.threads);
  impl_->clip->EncodeTexts(context, texts, embeddings.data());
  return embeddings;
}

std::vector<int32_t> Model::Tokenize(const std::string& text) const {
  return impl_->clip->tokenizer().Encode(text);
}

int Model::embed_dim() const {
  return impl_->clip->embed_dim();
}

ModelInfo Model::Info() const {
  return DescribeModel(*impl_->clip, impl_->name);
}

Status Model::SetPictureOptions(const PictureOptions& options) {
  auto impl = std::make_shared<Impl>(*impl_);
  ASSIGN_OR_RETURN(impl->batch, MakeBatchOptions(options, *impl->clip, impl->runtime));
  impl_ = std::move(impl);
  return Status::Ok();
}

}  // namespace diptych
