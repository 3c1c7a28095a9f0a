#include "clip/open_clip_config.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "clip/config_fields.h"
#include "clip/timm_models.h"
#include "core/json.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

using kernels::Activation;

constexpr char kFile[] = "open_clip_config.json";

// open_clip's own vision transformer.
Status ReadVit(JsonReader& vision, bool quick_gelu, ClipConfig& config) {
  for (const char* key : {"attentional_pool", "ls_init_value", "qk_norm", "scaled_cosine_attn", "scale_heads"}) {
    if (!vision.Has(key) || vision.json().at(key) == false) continue;
    return Unsupported(vision.where(), std::string("field \"") + key + "\" asks for what is not built in yet");
  }
  VitConfig tower;
  tower.image_size = Bounded(vision, "image_size", 224, kMaxImageSize);
  tower.patch_size = Bounded(vision, "patch_size", 16, kMaxImageSize);
  tower.width = Bounded(vision, "width", 768, kMaxWidth);
  tower.layers = Bounded(vision, "layers", 12, kMaxLayers);
  const int head_width = Bounded(vision, "head_width", 64, kMaxWidth);
  tower.heads = std::max(1, tower.width / head_width);
  tower.mlp_width = static_cast<int>(tower.width * vision.Double("mlp_ratio", 4.0));
  tower.pre_norm = !vision.Bool("no_ln_pre", false);
  tower.norm_after_pool = vision.Bool("final_ln_after_pool", false);
  JsonReader norm = vision.Object("norm_kwargs"), act = vision.Object("act_kwargs");
  tower.layer_norm_eps = static_cast<float>(norm.Double("eps", 1e-5));
  tower.activation = quick_gelu                                 ? Activation::kQuickGelu
                     : act.String("approximate", "") == "tanh" ? Activation::kGeluTanh
                                                                : Activation::kGelu;
  const std::string pool = vision.String("pool_type", "tok"), table = vision.String("pos_embed_type", "learnable");
  if (pool != "tok" && pool != "avg") return Unsupported(vision.where(), "pool_type \"" + pool + "\" is unknown");
  if (table != "learnable") return Unsupported(vision.where(), "pos_embed_type \"" + table + "\" is unknown");
  tower.pooling = pool == "tok" ? VitPooling::kClassToken : VitPooling::kAverage;
  tower.embed_dim = config.embed_dim;
  for (const JsonReader* reader : {&vision, &norm, &act}) RETURN_IF_ERROR(reader->Check());
  RETURN_IF_ERROR(CheckHeads(vision.where(), tower.width, tower.heads));
  if (tower.mlp_width < 1 || tower.mlp_width > 8 * kMaxWidth) {
    return Corrupt(vision.where(), "field \"mlp_ratio\" is out of range");
  }
  if (tower.patch_size > tower.image_size) {
    return Corrupt(vision.where(), "patch_size " + std::to_string(tower.patch_size) + " is larger than image_size " +
                                       std::to_string(tower.image_size));
  }
  config.image = tower;
  config.family = DescribeVit(tower);
  config.preprocess.size = config.preprocess.crop = tower.image_size;
  config.facts.push_back({"image tower", DescribeVit(tower), kFile});
  config.facts.push_back({"image activation", NameOfActivation(tower.activation), kFile});
  return Status::Ok();
}

// OpenAI's ModifiedResNet: "layers" lists the blocks of its stages.
Status ReadResNet(JsonReader& vision, ClipConfig& config) {
  ResNetConfig tower;
  const Json& layers = vision.json().at("layers");
  if (layers.size() != tower.layers.size()) {
    return Unsupported(vision.where(), "field \"layers\" lists " + std::to_string(layers.size()) + " stages, not 4");
  }
  for (size_t i = 0; i < tower.layers.size(); ++i) {
    if (!layers[i].is_number_integer() || layers[i] < 1 || layers[i] > kMaxLayers) {
      return Corrupt(vision.where(), "field \"layers\" holds " + layers[i].dump() + ", not a number from 1 to " +
                                         std::to_string(kMaxLayers));
    }
    tower.layers[i] = layers[i].get<int>();
  }
  tower.image_size = Bounded(vision, "image_size", 224, kMaxImageSize);
  tower.width = Bounded(vision, "width", 768, kMaxWidth / 32);
  const int head_width = Bounded(vision, "head_width", 64, kMaxWidth);
  tower.heads = std::max(1, tower.width * 32 / head_width);
  tower.embed_dim = config.embed_dim;
  RETURN_IF_ERROR(vision.Check());
  RETURN_IF_ERROR(CheckHeads(vision.where(), tower.width * 32, tower.heads));
  if (tower.width % 2 != 0) {
    return Corrupt(vision.where(),
                   "width " + std::to_string(tower.width) + " is odd, its stem has half as many channels");
  }
  // The stem's convolution rounds up where it halves, all else rounds down.
  if (tower.image_size < 32 || (tower.image_size + 1) / 2 / 16 != tower.image_size / 32) {
    return Corrupt(vision.where(), "image_size " + std::to_string(tower.image_size) +
                                       " does not give a last map of image_size / 32 rows");
  }
  config.image = tower;
  config.family = DescribeResNet(tower);
  config.preprocess.size = config.preprocess.crop = tower.image_size;
  config.facts.push_back({"image tower", DescribeResNet(tower), kFile});
  return Status::Ok();
}

Status ReadTimmTower(JsonReader& vision, ClipConfig& config) {
  const std::string timm = vision.String("timm_model_name", "");
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
  config.timm_model_name = timm;
  config.preprocess.size = config.preprocess.crop = tower->image_size;
  config.family = "EfficientNet-Lite";
  config.facts.push_back({"image tower", timm, kFile});
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
  RETURN_IF_ERROR(CheckHeads(path, tower.width, tower.heads));
  RETURN_IF_ERROR(ReadPooling(text, tower));
  tower.context_length = config.tokenizer.context_length;
  if (tower.context_length > tower.max_positions) {
    return Corrupt(path, "max_position_embeddings " + std::to_string(tower.max_positions) +
                             " is less than the context length " + std::to_string(tower.context_length));
  }
  tower.embed_dim = config.embed_dim;
  config.text = tower;
  config.hf_model_name = text.String("hf_model_name", "");
  config.tokenizer.pad_id = tower.pad_id;
  config.facts.push_back({"text tower", "BERT, " + std::to_string(tower.layers) + " layers", "text_config.json"});
  return Status::Ok();
}

// open_clip's own text transformer.
Status ReadTransformer(JsonReader& text, bool quick_gelu, ClipConfig& config) {
  for (const char* key : {"embed_cls", "ls_init_value", "final_ln_after_pool", "scaled_cosine_attn", "qk_norm"}) {
    if (!text.Has(key) || text.json().at(key) == false) continue;
    return Unsupported(text.where(), std::string("field \"") + key + "\" asks for what is not built in yet");
  }
  TransformerConfig tower;
  tower.context_length = config.tokenizer.context_length;
  tower.vocab_size = Bounded(text, "vocab_size", 49408, kMaxVocab);
  tower.width = Bounded(text, "width", 512, kMaxWidth);
  tower.heads = Bounded(text, "heads", 8, kMaxWidth);
  tower.layers = Bounded(text, "layers", 12, kMaxLayers);
  tower.mlp_width = static_cast<int>(tower.width * text.Double("mlp_ratio", 4.0));
  tower.causal = !text.Bool("no_causal_mask", false);
  tower.eos_id = static_cast<int32_t>(text.Int("eos_id", 2, 0, kMaxVocab));
  JsonReader norm = text.Object("norm_kwargs"), act = text.Object("act_kwargs");
  tower.layer_norm_eps = static_cast<float>(norm.Double("eps", 1e-5));
  tower.activation = quick_gelu                                 ? Activation::kQuickGelu
                     : act.String("approximate", "") == "tanh" ? Activation::kGeluTanh
                                                                : Activation::kGelu;
  const std::string pool = text.String("pool_type", "argmax"), projection = text.String("proj_type", "linear");
  if (pool == "argmax") {
    tower.pooling = TextPooling::kArgmax;
  } else if (pool == "eos") {
    tower.pooling = TextPooling::kEos;
  } else if (pool == "first") {
    tower.pooling = TextPooling::kFirst;
  } else if (pool == "last") {
    tower.pooling = TextPooling::kLast;
  } else {
    return Unsupported(text.where(), "pool_type \"" + pool + "\" is unknown", "known: argmax, eos, first, last");
  }
  if (projection == "none") {
    tower.projection = TextProjection::kNone;
  } else {
    tower.projection = text.Bool("proj_bias", false) ? TextProjection::kLinear : TextProjection::kMatrix;
  }
  tower.embed_dim = config.embed_dim;
  for (const JsonReader* reader : {&text, &norm, &act}) RETURN_IF_ERROR(reader->Check());
  RETURN_IF_ERROR(CheckHeads(text.where(), tower.width, tower.heads));
  if (tower.mlp_width < 1 || tower.mlp_width > 8 * kMaxWidth) {
    return Corrupt(text.where(), "field \"mlp_ratio\" is out of range");
  }
  if (tower.projection == TextProjection::kNone && tower.width != config.embed_dim) {
    return Corrupt(text.where(), "proj_type \"none\" needs width " + std::to_string(tower.width) +
                                     " to equal embed_dim " + std::to_string(config.embed_dim));
  }
  config.text = tower;
  config.tokenizer.pad_id = static_cast<int32_t>(text.Int("pad_id", 0, 0, kMaxVocab));
  config.facts.push_back({"text tower", DescribeTransformer(tower), kFile});
  config.facts.push_back({"text activation", NameOfActivation(tower.activation), kFile});
  return text.Check();
}

Status ReadTokenizer(JsonReader& text, bool hugging_face, ClipConfig& config) {
  config.tokenizer.context_length = Bounded(text, "context_length", 77, kMaxContext);
  config.builtin_tokenizer = !hugging_face && !text.Has("hf_tokenizer_name");
  config.hf_tokenizer_name = text.String("hf_tokenizer_name", "");
  JsonReader options = text.Object("tokenizer_kwargs");
  // open_clip's HFTokenizer cleans white space, its own tokenizer lowers case, unless told otherwise.
  const std::string clean = options.String("clean", config.builtin_tokenizer ? "lower" : "whitespace");
  if (options.Bool("strip_sep_token", false)) {
    return Unsupported(options.where(), "field \"strip_sep_token\" asks for what is not built in yet");
  }
  if (clean == "whitespace") {
    config.tokenizer.clean = TextClean::kWhitespace;
  } else if (clean == "lower") {
    config.tokenizer.clean = TextClean::kLower;
  } else if (clean == "canonicalize") {
    config.tokenizer.clean = TextClean::kCanonicalize;
  } else {
    return Unsupported(options.where(), "clean mode \"" + clean + "\" is unknown",
                       "known: whitespace, lower, canonicalize");
  }
  config.facts.push_back({"context length", std::to_string(config.tokenizer.context_length), kFile});
  RETURN_IF_ERROR(options.Check());
  return text.Check();
}

Status ReadPixels(JsonReader& pixels, ClipConfig& config) {
  PreprocessConfig& p = config.preprocess;
  p.reference = PixelReference::kTorchvision;
  RETURN_IF_ERROR(ReadThree(pixels, "mean", p.mean));
  RETURN_IF_ERROR(ReadThree(pixels, "std", p.std));
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
  config.facts.push_back({"resize", mode + ", " + filter, kFile});
  return pixels.Check();
}

}  // namespace

Result<ClipConfig> LoadOpenClipConfig(const std::string& folder) {
  const std::string path = (fs::path(folder) / kFile).string();
  ASSIGN_OR_RETURN(const Json json, LoadJson(path));
  JsonReader top(json, path);
  RETURN_IF_ERROR(top.Check());
  JsonReader model = top.Has("model_cfg") ? top.Object("model_cfg") : top;  // a bare model file has no wrapper
  JsonReader vision = model.Object("vision_cfg"), text = model.Object("text_cfg");
  JsonReader pixels = top.Object("preprocess_cfg");

  ClipConfig config;
  config.folder = folder;
  config.container = Container::kOpenClip;
  config.embed_dim = Bounded(model, "embed_dim", 0, kMaxWidth);
  if (!model.Has("embed_dim")) return Corrupt(model.where(), "field \"embed_dim\" is missing");
  config.has_logit_bias = model.Has("init_logit_bias");
  const bool quick_gelu = model.Bool("quick_gelu", false);
  RETURN_IF_ERROR(model.Check());
  config.facts.push_back({"embedding", std::to_string(config.embed_dim), kFile});
  if (vision.Has("timm_model_name")) {
    RETURN_IF_ERROR(ReadTimmTower(vision, config));
  } else if (vision.Has("layers") && vision.json().at("layers").is_array()) {
    RETURN_IF_ERROR(ReadResNet(vision, config));
  } else {
    RETURN_IF_ERROR(ReadVit(vision, quick_gelu, config));
  }
  const bool hugging_face = text.Has("hf_model_name");
  RETURN_IF_ERROR(ReadTokenizer(text, hugging_face, config));
  if (hugging_face) {
    RETURN_IF_ERROR(ReadBert(text, folder, config));
  } else {
    RETURN_IF_ERROR(ReadTransformer(text, quick_gelu, config));
  }
  RETURN_IF_ERROR(ReadPixels(pixels, config));
  ASSIGN_OR_RETURN(config.weights,
                   FindWeights(folder, {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
                                        "model.safetensors", "model.safetensors.index.json",
                                        "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth"}));
  return config;
}

}  // namespace diptych
