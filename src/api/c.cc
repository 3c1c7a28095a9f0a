#include "diptych/c.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/option_text.h"
#include "diptych/model.h"
#include "diptych/version.h"

struct diptych_status {
  int code;
  std::string message;
};

struct diptych_model {
  diptych::Model model;
};

namespace {

using diptych::InvalidArgument;
using diptych::Result;
using diptych::Status;
using diptych::StatusCode;

int CodeOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return DIPTYCH_OK;
    case StatusCode::kInvalidArgument: return DIPTYCH_INVALID_ARGUMENT;
    case StatusCode::kNotFound: return DIPTYCH_NOT_FOUND;
    case StatusCode::kCorrupt: return DIPTYCH_CORRUPT;
    case StatusCode::kUnsupported: return DIPTYCH_UNSUPPORTED;
    case StatusCode::kLimitExceeded: return DIPTYCH_LIMIT_EXCEEDED;
    case StatusCode::kIoError: return DIPTYCH_IO_ERROR;
    case StatusCode::kUnavailable: return DIPTYCH_UNAVAILABLE;
    case StatusCode::kCancelled: return DIPTYCH_CANCELLED;
    case StatusCode::kWrongProcess: return DIPTYCH_WRONG_PROCESS;
  }
  return DIPTYCH_UNSUPPORTED;
}

diptych_status* Returned(const Status& status) {
  return status.ok() ? nullptr : new diptych_status{CodeOf(status.code()), status.ToString()};
}

// The null pointers that a caller in C may hand over by mistake.
Status NotNull(std::initializer_list<std::pair<const void*, const char*>> pointers) {
  for (const auto& [pointer, name] : pointers) {
    if (pointer == nullptr) return InvalidArgument(name, "is NULL");
  }
  return Status::Ok();
}

Result<std::vector<std::string>> Texts(const char* const* texts, size_t count, const char* name) {
  RETURN_IF_ERROR(NotNull({{texts, name}}));
  if (count == 0) return InvalidArgument(name, "there are none");
  std::vector<std::string> all;
  for (size_t i = 0; i < count; ++i) {
    if (texts[i] == nullptr) return InvalidArgument(name, "number " + std::to_string(i) + " is NULL");
    all.emplace_back(texts[i]);
  }
  return all;
}

Result<diptych::Picture> PictureOf(const diptych_picture& given) {
  const int kinds = (given.path != nullptr) + (given.bytes != nullptr) + (given.rgb != nullptr);
  if (kinds != 1) {
    return InvalidArgument("picture", "has " + std::to_string(kinds) + " of path, bytes and rgb", "set one of them");
  }
  if (given.path != nullptr) return diptych::Picture(given.path);
  if (given.bytes != nullptr) {
    return diptych::Picture::FromBytes(std::string(static_cast<const char*>(given.bytes), given.bytes_size), "bytes");
  }
  constexpr int32_t kMaxSide = 1 << 24;
  if (given.width < 1 || given.height < 1 || given.width > kMaxSide || given.height > kMaxSide) {
    return InvalidArgument("picture", "is " + std::to_string(given.width) + " x " + std::to_string(given.height) +
                                          " pixels");
  }
  diptych::RawPicture raw{.width = given.width, .height = given.height};
  raw.pixels.assign(reinterpret_cast<const char*>(given.rgb),
                    size_t{3} * static_cast<size_t>(given.width) * static_cast<size_t>(given.height));
  return diptych::Picture::FromPixels(std::move(raw), "rgb");
}

Status Give(Result<std::vector<float>> values, float* out) {
  RETURN_IF_ERROR(values.status());
  std::copy(values->begin(), values->end(), out);
  return Status::Ok();
}

Status Load(const char* name, const char* const* words, diptych_model** model) {
  RETURN_IF_ERROR(NotNull({{model, "model"}}));
  *model = nullptr;
  diptych::ModelOptions options;
  diptych::PictureOptions pictures;
  diptych::OptionText text(words);
  options.Visit(text);
  pictures.Visit(text);
  RETURN_IF_ERROR(text.Finish());
  if (name != nullptr && *name != '\0') options.model = name;
  ASSIGN_OR_RETURN(diptych::Model loaded, diptych::Model::Load(options, pictures));
  *model = new diptych_model{std::move(loaded)};
  return Status::Ok();
}

Status EmbedPictures(const diptych_model* model, const diptych_picture* pictures, size_t count, float* out) {
  RETURN_IF_ERROR(NotNull({{model, "model"}, {pictures, "pictures"}, {out, "embeddings"}}));
  if (count == 0) return InvalidArgument("pictures", "there are none");
  std::vector<diptych::Picture> all;
  for (size_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(diptych::Picture picture, PictureOf(pictures[i]));
    all.push_back(std::move(picture));
  }
  return Give(model->model.EmbedImages(all), out);
}

Status EmbedTexts(const diptych_model* model, const char* const* texts, size_t count, float* out) {
  RETURN_IF_ERROR(NotNull({{model, "model"}, {out, "embeddings"}}));
  ASSIGN_OR_RETURN(const std::vector<std::string> all, Texts(texts, count, "texts"));
  return Give(model->model.EmbedTexts(all), out);
}

struct LabelRange {
  const char* const* labels;
  size_t count;
};

Status Classify(const diptych_model* model, const diptych_picture* picture, const LabelRange& labels,
                const char* const* words, diptych_prediction* predictions, size_t prediction_count) {
  RETURN_IF_ERROR(NotNull({{model, "model"}, {picture, "picture"}, {predictions, "predictions"}}));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, Texts(labels.labels, labels.count, "labels"));
  if (prediction_count < 1 || prediction_count > names.size()) {
    return InvalidArgument("prediction_count", std::to_string(prediction_count) + " of " +
                                                   std::to_string(names.size()) + " labels cannot be given");
  }
  diptych::ClassifyOptions options;
  diptych::OptionText text(words);
  options.Visit(text);
  RETURN_IF_ERROR(text.Finish());
  ASSIGN_OR_RETURN(const diptych::Picture look, PictureOf(*picture));
  options.labels = names;
  options.top = static_cast<int>(names.size());
  ASSIGN_OR_RETURN(const diptych::LabelSet set, model->model.MakeLabels(options));
  if (set.labels().size() != names.size()) return InvalidArgument("labels", "some are blank or the options name more");
  ASSIGN_OR_RETURN(const diptych::Classification found, model->model.Classify(look, set, options));
  for (size_t i = 0; i < prediction_count; ++i) {
    const diptych::Prediction& best = found.predictions[i];
    const auto at = std::find(set.labels().begin(), set.labels().end(), best.label);
    predictions[i] = {static_cast<size_t>(at - set.labels().begin()), best.probability, best.logit};
  }
  return Status::Ok();
}

Status Tokenize(const diptych_model* model, const char* text, int32_t* ids, size_t capacity, size_t* count) {
  RETURN_IF_ERROR(NotNull({{model, "model"}, {text, "text"}, {ids, "ids"}, {count, "count"}}));
  const std::vector<int32_t> found = model->model.Tokenize(text);
  *count = found.size();
  if (found.size() > capacity) {
    return InvalidArgument("ids", "have room for " + std::to_string(capacity) + " of " + std::to_string(found.size()));
  }
  std::copy(found.begin(), found.end(), ids);
  return Status::Ok();
}

}  // namespace

const char* diptych_c_library_version(void) { return diptych::Version(); }

int diptych_status_code(const diptych_status* status) { return status == nullptr ? DIPTYCH_OK : status->code; }
const char* diptych_status_message(const diptych_status* status) {
  return status == nullptr ? "ok" : status->message.c_str();
}
void diptych_status_free(diptych_status* status) { delete status; }

diptych_status* diptych_load(const char* name, const char* const* options, diptych_model** model) {
  return Returned(Load(name, options, model));
}
void diptych_model_free(diptych_model* model) { delete model; }

size_t diptych_embed_dim(const diptych_model* model) {
  return model == nullptr ? 0 : static_cast<size_t>(model->model.embed_dim());
}
size_t diptych_context_length(const diptych_model* model) {
  return model == nullptr ? 0 : static_cast<size_t>(model->model.processor().info().context_length);
}

diptych_status* diptych_embed_pictures(const diptych_model* model, const diptych_picture* pictures, size_t count,
                                       float* embeddings) {
  return Returned(EmbedPictures(model, pictures, count, embeddings));
}

diptych_status* diptych_embed_texts(const diptych_model* model, const char* const* texts, size_t count,
                                    float* embeddings) {
  return Returned(EmbedTexts(model, texts, count, embeddings));
}

diptych_status* diptych_logits(const diptych_model* model, const float* pictures, size_t picture_count,
                               const float* texts, size_t text_count, float* logits) {
  if (const Status status =
          NotNull({{model, "model"}, {pictures, "pictures"}, {texts, "texts"}, {logits, "logits"}});
      !status.ok()) {
    return Returned(status);
  }
  const size_t e = diptych_embed_dim(model);
  const std::vector<float> a(pictures, pictures + picture_count * e), b(texts, texts + text_count * e);
  return Returned(Give(model->model.Logits(a, b), logits));
}

diptych_status* diptych_classify(const diptych_model* model, const diptych_picture* picture, const char* const* labels,
                                 size_t label_count, const char* const* options, diptych_prediction* predictions,
                                 size_t prediction_count) {
  return Returned(Classify(model, picture, {labels, label_count}, options, predictions, prediction_count));
}

diptych_status* diptych_tokenize(const diptych_model* model, const char* text, int32_t* ids, size_t capacity,
                                 size_t* count) {
  return Returned(Tokenize(model, text, ids, capacity, count));
}
