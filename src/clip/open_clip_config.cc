#include "clip/open_clip_config.h"

#include <filesystem>
#include <utility>

#include "clip/timm_models.h"
#include "core/json.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

// Bounds of what a configuration may ask for: far above every published model, far below what exhausts memory.
constexpr int64_t kMaxWidth = 1 << 15;
constexpr int64_t kMaxLayers = 512;
constexpr int64_t kMaxVocab = 1 << 22;
constexpr int64_t kMaxImageSize = 4096;
constexpr int64_t kMaxContext = 1 << 16;

int Bounded(JsonReader& reader, const std::string& key, int64_t missing, int64_t max) {
  return static_cast<int>(reader.Int(key, missing, 1, max));
}

Result<kernels::Activation> ActivationByName(const std::string& name, const std::string& where) {
  using kernels::Activation;
  if (name == "gelu") return Activation::kGelu;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  return Unsupported(where, "activation \"" + name + "\" is unknown", "known: gelu, quick_gelu, gelu_new, relu");
}

Status ReadImageTower(JsonReader& vision, ClipConfig& config) {
  const std::string timm = vision.String("timm_model_name", "");
  if (timm.empty()) {
    return Unsupported(vision.where(), "describes open_clip's own image tower, which is not built in yet",
                       "supported here: timm_model_name tf_efficientnet_lite0 to tf_efficientnet_lite4");
  }
  std::optional<EfficientNetConfig> tower = EfficientNetByTimmName(timm);
  if (!tower) {
    return Unsupported(vision.where(), "timm_model_name \"" + timm + "\" is unknown",
                       "supported here: tf_efficientnet_lite0 to tf_efficientnet_lite4");
  }
  const std::string pool = vision.String("timm_pool", "avg"), projection = vision.String("timm_proj", "linear");
  if (pool != "avg") return Unsupported(vision.where(), "timm_pool \"" + pool + "\" is not \"avg\"");
  if (projection != "linear") return Unsupported(vision.where(), "timm_proj \"" + projection + "\" is not \"linear\"");
  tower->image_size = Bounded(vision, "image_size", 224, kMaxImageSize);
  tower->embed_dim = config.embed_dim;
  tower->projection_bias = vision.Bool("timm_proj_bias", false);
  RETURN_IF_ERROR(vision.Check());
  config.image = *tower;
  config.preprocess.size = config.preprocess.crop = tower->image_size;
  config.facts.push_back({"image tower", timm, "open_clip_config.json"});
  config.facts.push_back({"image size", std::to_string(tower->image_size), "open_clip_config.json"});
  return Status::Ok();
}

Status ReadPooling(JsonReader& text, BertConfig& tower) {
  const std::string pooler = text.String("hf_pooler_type", "mean_pooler");
  const std::string projection = text.String("hf_proj_type", "mlp");
  if (pooler == "mean_pooler") {
    tower.pooling = BertPooling::kMean;
  } else if (pooler == "cls_pooler" || pooler == "cls_last_hidden_state_pooler") {
    tower.pooling = BertPooling::kCls;
  } else {
    return Unsupported(text.where(), "hf_pooler_type \"" + pooler + "\" is unknown",
                       "supported here: mean_pooler, cls_pooler");
  }
  if (projection == "linear") {
    tower.projection = BertProjection::kLinear;
  } else if (projection == "mlp") {
    tower.projection = BertProjection::kMlp;
  } else {
    return Unsupported(text.where(), "hf_proj_type \"" + projection + "\" is unknown",
                       "supported here: linear, mlp");
  }
  return text.Check();
}

// The Hugging Face text tower's own config.json, kept beside the checkpoint as text_config.json because open_clip's
// file only names it.
Status ReadBert(JsonReader& text, const std::string& folder, ClipConfig& config) {
  const std::string path = (fs::path(folder) / "text_config.json").string();
  Result<Json> json = LoadJson(path);
  if (json.status().code() == StatusCode::kNotFound) {
    return NotFound(path, "is missing: it describes the text tower " + text.String("hf_model_name", ""),
                    "copy that model's config.json there under this name");
  }
  RETURN_IF_ERROR(json.status());
  JsonReader hf(*json, path);
  const std::string type = hf.String("model_type", "");
  if (type != "bert") return Unsupported(path, "model_type \"" + type + "\" is not \"bert\"");
  const std::string positions = hf.String("position_embedding_type", "absolute");
  if (positions != "absolute") return Unsupported(path, "position_embedding_type \"" + positions + "\" is unknown");

  BertConfig tower;
  tower.vocab_size = Bounded(hf, "vocab_size", 30522, kMaxVocab);
  tower.max_positions = Bounded(hf, "max_position_embeddings", 512, kMaxContext);
  tower.token_types = Bounded(hf, "type_vocab_size", 2, 16);
  tower.width = Bounded(hf, "hidden_size", 768, kMaxWidth);
  tower.layers = Bounded(hf, "num_hidden_layers", 12, kMaxLayers);
  tower.heads = Bounded(hf, "num_attention_heads", 12, kMaxWidth);
  tower.mlp_width = Bounded(hf, "intermediate_size", 3072, 4 * kMaxWidth);
  tower.layer_norm_eps = static_cast<float>(hf.Double("layer_norm_eps", 1e-12));
  tower.pad_id = static_cast<int32_t>(hf.Int("pad_token_id", 0, 0, kMaxVocab));
  ASSIGN_OR_RETURN(tower.activation, ActivationByName(hf.String("hidden_act", "gelu"), path));
  RETURN_IF_ERROR(hf.Check());
  if (tower.width % tower.heads != 0) {
    return Corrupt(path, "hidden_size " + std::to_string(tower.width) + " is not a multiple of num_attention_heads " +
                             std::to_string(tower.heads));
  }
  RETURN_IF_ERROR(ReadPooling(text, tower));
  tower.context_length = config.tokenizer.context_length;
  if (tower.context_length > tower.max_positions) {
    return Corrupt(path, "max_position_embeddings " + std::to_string(tower.max_positions) +
                             " is less than the context length " + std::to_string(tower.context_length));
  }
  tower.embed_dim = config.embed_dim;
  config.text = tower;
  config.tokenizer.pad_id = tower.pad_id;
  config.facts.push_back({"text tower", "BERT, " + std::to_string(tower.layers) + " layers", "text_config.json"});
  return Status::Ok();
}

Status ReadTextTower(JsonReader& text, const std::string& folder, ClipConfig& config) {
  config.tokenizer.context_length = Bounded(text, "context_length", 77, kMaxContext);
  if (!text.Has("hf_model_name")) {
    return Unsupported(text.where(), "describes open_clip's own text tower, which is not built in yet",
                       "supported here: a Hugging Face BERT (hf_model_name)");
  }
  // open_clip's HFTokenizer cleans white space unless told otherwise.
  const std::string clean = text.Object("tokenizer_kwargs").String("clean", "whitespace");
  if (clean == "whitespace") {
    config.tokenizer.clean = TextClean::kWhitespace;
  } else if (clean == "lower") {
    config.tokenizer.clean = TextClean::kLower;
  } else if (clean == "canonicalize") {
    config.tokenizer.clean = TextClean::kCanonicalize;
  } else {
    return Unsupported(text.where(), "tokenizer clean mode \"" + clean + "\" is unknown",
                       "known: whitespace, lower, canonicalize");
  }
  config.facts.push_back({"context length", std::to_string(config.tokenizer.context_length), "open_clip_config.json"});
  return ReadBert(text, folder, config);
}

Status ReadPixels(JsonReader& pixels, ClipConfig& config) {
  PreprocessConfig& p = config.preprocess;
  p.reference = PixelReference::kTorchvision;
  const auto three = [&](const char* key, std::array<float, 3>& values) {
    const std::vector<double> read = pixels.Doubles(key, {values[0], values[1], values[2]});
    if (read.size() != 3) return Corrupt(pixels.where(), std::string("field \"") + key + "\" does not hold 3 numbers");
    for (size_t c = 0; c < 3; ++c) values[c] = static_cast<float>(read[c]);
    return Status::Ok();
  };
  RETURN_IF_ERROR(three("mean", p.mean));
  RETURN_IF_ERROR(three("std", p.std));
  for (const float value : p.std) {
    if (!(value > 0)) return Corrupt(pixels.where(), "field \"std\" holds a number that is not above 0");
  }
  const std::string filter = pixels.String("interpolation", "bicubic"), mode = pixels.String("resize_mode", "shortest");
  if (filter == "bicubic") {
    p.filter = kernels::Filter::kBicubic;
  } else if (filter == "bilinear") {
    p.filter = kernels::Filter::kBilinear;
  } else {
    return Unsupported(pixels.where(), "interpolation \"" + filter + "\" is unknown", "known: bicubic, bilinear");
  }
  if (mode == "shortest") {
    p.mode = ResizeMode::kShortest;
  } else if (mode == "longest") {
    p.mode = ResizeMode::kLongest;
  } else if (mode == "squash") {
    p.mode = ResizeMode::kSquash;
  } else {
    return Unsupported(pixels.where(), "resize_mode \"" + mode + "\" is unknown", "known: shortest, longest, squash");
  }
  p.fill_color = static_cast<uint8_t>(pixels.Int("fill_color", 0, 0, 255));
  config.facts.push_back({"resize", mode + ", " + filter, "open_clip_config.json"});
  return pixels.Check();
}

}  // namespace

Result<ClipConfig> LoadOpenClipConfig(const std::string& folder) {
  const std::string path = (fs::path(folder) / "open_clip_config.json").string();
  ASSIGN_OR_RETURN(const Json json, LoadJson(path));
  JsonReader top(json, path);
  RETURN_IF_ERROR(top.Check());
  JsonReader model = top.Has("model_cfg") ? top.Object("model_cfg") : top;  // a bare model file has no wrapper
  JsonReader vision = model.Object("vision_cfg"), text = model.Object("text_cfg");
  JsonReader pixels = top.Object("preprocess_cfg");

  ClipConfig config;
  config.folder = folder;
  config.container = "open_clip";
  config.embed_dim = Bounded(model, "embed_dim", 0, kMaxWidth);
  if (!model.Has("embed_dim")) return Corrupt(model.where(), "field \"embed_dim\" is missing");
  config.has_logit_bias = model.Has("init_logit_bias");
  RETURN_IF_ERROR(model.Check());
  config.facts.push_back({"embedding", std::to_string(config.embed_dim), "open_clip_config.json"});
  RETURN_IF_ERROR(ReadImageTower(vision, config));
  RETURN_IF_ERROR(ReadTextTower(text, folder, config));
  RETURN_IF_ERROR(ReadPixels(pixels, config));
  config.family = "EfficientNet-Lite + BERT";
  config.weights = {"open_clip_model.safetensors"};
  return config;
}

}  // namespace diptych
