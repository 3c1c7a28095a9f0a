#include "train/build.h"

#include <map>
#include <utility>

#include "clip/config_fields.h"
#include "clip/models.h"
#include "train/architecture.h"
#include "train/initialize.h"

namespace diptych::train {
namespace {

Result<ClipModel> LoadByName(const std::string& name) {
  ASSIGN_OR_RETURN(const ResolvedModel resolved, ResolveModel(name));
  return LoadClipModel(resolved.folder);
}

Status CheckChoice(const std::string& tower, const std::string& init, const char* side) {
  const std::string flags = std::string("--") + side + "-tower and --init-" + side;
  if (tower.empty() && init.empty()) return InvalidArgument(flags, "one of them must say what the tower is");
  if (!tower.empty() && !init.empty()) return InvalidArgument(flags, "exclude each other: a checkpoint has its shape");
  return Status::Ok();
}

// Values that fit; a projection of another width stays without and is drawn.
template <class Tower>
void CopyValues(Tower& from, Tower& to) {
  std::map<std::string, nn::Param*> source;
  from.Visit([&](const std::string& name, nn::Param& param) { source[name] = &param; });
  to.Visit([&](const std::string& name, nn::Param& param) {
    const auto it = source.find(name);
    if (it != source.end() && it->second->shape() == param.shape()) param.Bind(it->second->parts());
  });
}

template <class Config>
void SetEmbedDim(Config& config, int embed_dim) {
  std::visit([&](auto& tower) { tower.embed_dim = embed_dim; }, config);
}

int EmbedDim(const BuildOptions& options, const ClipModel* image, const ClipModel* text) {
  if (options.embed_dim > 0) return options.embed_dim;
  if (image != nullptr) return image->config.embed_dim;
  if (text != nullptr) return text->config.embed_dim;
  const int named = EmbedDimOfName(options.image_tower);
  if (named > 0) return named;
  constexpr int kOpenClipDefault = 512;
  return kOpenClipDefault;
}

void TakeImageSide(const ClipConfig& from, ClipConfig& to) {
  to.image = from.image;
  to.preprocess = from.preprocess;
  to.timm_model_name = from.timm_model_name;
}

void TakeTextSide(const ClipConfig& from, ClipConfig& to) {
  to.folder = from.folder;  // of the tokenizer's files
  to.text = from.text;
  to.tokenizer = from.tokenizer;
  to.builtin_tokenizer = from.builtin_tokenizer;
  to.hf_model_name = from.hf_model_name;
  to.hf_tokenizer_name = from.hf_tokenizer_name;
}

Status CheckImageSize(int asked, const ClipConfig& config) {
  if (asked == 0 || asked == config.preprocess.crop) return Status::Ok();
  return InvalidArgument("--image-size",
                         std::to_string(asked) + " is not the checkpoint's " + std::to_string(config.preprocess.crop));
}

// The configuration of a model whose towers come from two places.
Result<ClipConfig> Compose(const BuildOptions& options, const ClipModel* image, const ClipModel* text) {
  ClipConfig config;
  config.embed_dim = EmbedDim(options, image, text);
  config.has_logit_bias = options.logit_bias;
  if (image != nullptr) {
    TakeImageSide(image->config, config);
    RETURN_IF_ERROR(CheckImageSize(options.image_size, config));
  } else {
    ASSIGN_OR_RETURN(config.image, ParseImageTower({.text = options.image_tower,
                                                    .image_size = options.image_size,
                                                    .embed_dim = config.embed_dim}));
    if (std::holds_alternative<EfficientNetConfig>(config.image)) config.timm_model_name = options.image_tower;
    std::visit([&](const auto& tower) { config.preprocess.size = config.preprocess.crop = tower.image_size; },
               config.image);
  }
  if (text != nullptr) {
    TakeTextSide(text->config, config);
  } else {
    ASSIGN_OR_RETURN(config.text, ParseTextTower(options.text_tower, config.embed_dim));
    config.builtin_tokenizer = true;
    config.tokenizer.context_length = std::get<TransformerConfig>(config.text).context_length;
  }
  SetEmbedDim(config.image, config.embed_dim);
  SetEmbedDim(config.text, config.embed_dim);
  return config;
}

}  // namespace

Result<std::shared_ptr<ClipModel>> BuildModel(const BuildOptions& options) {
  RETURN_IF_ERROR(CheckChoice(options.image_tower, options.init_image, "image"));
  RETURN_IF_ERROR(CheckChoice(options.text_tower, options.init_text, "text"));
  std::optional<ClipModel> image, text;
  if (!options.init_image.empty()) {
    ASSIGN_OR_RETURN(image, LoadByName(options.init_image));
  }
  const bool same = !options.init_image.empty() && options.init_image == options.init_text;
  if (same && (options.embed_dim == 0 || options.embed_dim == image->config.embed_dim)) {
    RETURN_IF_ERROR(CheckImageSize(options.image_size, image->config));
    image->config.has_logit_bias |= options.logit_bias;
    auto model = std::make_shared<ClipModel>(std::move(*image));
    InitializeMissing(*model, options.seed);
    return model;
  }
  if (!options.init_text.empty()) {
    ASSIGN_OR_RETURN(text, LoadByName(options.init_text));
  }
  ASSIGN_OR_RETURN(const ClipConfig config, Compose(options, image ? &*image : nullptr, text ? &*text : nullptr));
  auto model = std::make_shared<ClipModel>(MakeClipModel(config));
  if (image) CopyValues(*image->image, *model->image);
  if (text) CopyValues(*text->text, *model->text);
  RETURN_IF_ERROR(BindTokenizer(*model));
  InitializeMissing(*model, options.seed);
  return model;
}

}  // namespace diptych::train
