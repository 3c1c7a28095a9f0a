#include "clip/write_config.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "clip/config_fields.h"

namespace diptych {
namespace {

using OrderedJson = nlohmann::ordered_json;
using kernels::Activation;

std::string Dump(const OrderedJson& json) { return json.dump(2) + "\n"; }

double Ratio(int numerator, int denominator) { return static_cast<double>(numerator) / denominator; }

// As a person would write the float: 1e-05, not 9.999999747378752e-06.
double Decimal(float value) { return std::stod(fmt::format("{}", value)); }

OrderedJson Decimals(const std::array<float, 3>& values) {
  return {Decimal(values[0]), Decimal(values[1]), Decimal(values[2])};
}

// Fields that say something only where they differ from open_clip's defaults.
void AddNormAndActivation(float eps, Activation activation, OrderedJson& json) {
  if (eps != 1e-5f) json["norm_kwargs"] = {{"eps", Decimal(eps)}};
  if (activation == Activation::kGeluTanh) json["act_kwargs"] = {{"approximate", "tanh"}};
}

OrderedJson VisionJson(const VitConfig& tower, const ClipConfig&) {
  OrderedJson json = {{"image_size", tower.image_size},
                      {"layers", tower.layers},
                      {"width", tower.width},
                      {"head_width", tower.width / tower.heads},
                      {"patch_size", tower.patch_size}};
  if (tower.mlp_width != 4 * tower.width) json["mlp_ratio"] = Ratio(tower.mlp_width, tower.width);
  if (!tower.pre_norm) json["no_ln_pre"] = true;
  if (tower.norm_after_pool) json["final_ln_after_pool"] = true;
  if (tower.pooling == VitPooling::kAverage) json["pool_type"] = "avg";
  AddNormAndActivation(tower.layer_norm_eps, tower.activation, json);
  return json;
}

OrderedJson VisionJson(const EfficientNetConfig& tower, const ClipConfig& config) {
  return {{"timm_model_name", config.timm_model_name},
          {"timm_model_pretrained", false},
          {"timm_pool", "avg"},
          {"timm_proj", "linear"},
          {"timm_proj_bias", tower.projection_bias},
          {"image_size", tower.image_size}};
}

OrderedJson VisionJson(const ResNetConfig& tower, const ClipConfig&) {
  return {{"image_size", tower.image_size},
          {"layers", tower.layers},
          {"width", tower.width},
          {"head_width", tower.width * 32 / tower.heads}};  // the pool's width is 32 times the stem's
}

const char* PoolName(TextPooling pooling) {
  switch (pooling) {
    case TextPooling::kArgmax: return "argmax";
    case TextPooling::kEos: return "eos";
    case TextPooling::kFirst: return "first";
    case TextPooling::kLast: return "last";
  }
  return "";
}

const char* CleanName(TextClean clean) {
  switch (clean) {
    case TextClean::kNone:  // transformers' own reading; white space is what open_clip has nearest to it
    case TextClean::kWhitespace: return "whitespace";
    case TextClean::kLower: return "lower";
    case TextClean::kCanonicalize: return "canonicalize";
  }
  return "";
}

OrderedJson TextJson(const TransformerConfig& tower, const ClipConfig& config) {
  OrderedJson json = {{"context_length", tower.context_length},
                      {"vocab_size", tower.vocab_size},
                      {"width", tower.width},
                      {"heads", tower.heads},
                      {"layers", tower.layers}};
  if (tower.mlp_width != 4 * tower.width) json["mlp_ratio"] = Ratio(tower.mlp_width, tower.width);
  if (!tower.causal) json["no_causal_mask"] = true;
  if (tower.pooling != TextPooling::kArgmax) json["pool_type"] = PoolName(tower.pooling);
  if (tower.pooling == TextPooling::kEos) json["eos_id"] = tower.eos_id;
  if (tower.projection == TextProjection::kNone) json["proj_type"] = "none";
  if (tower.projection == TextProjection::kLinear) json["proj_bias"] = true;
  if (config.tokenizer.pad_id != 0) json["pad_id"] = config.tokenizer.pad_id;
  AddNormAndActivation(tower.layer_norm_eps, tower.activation, json);
  return json;
}

OrderedJson TextJson(const BertConfig& tower, const ClipConfig& config) {
  return {{"hf_model_name", config.hf_model_name},
          {"hf_model_pretrained", false},
          {"hf_pooler_type", tower.pooling == BertPooling::kMean ? "mean_pooler" : "cls_pooler"},
          {"hf_proj_type", tower.projection == BertProjection::kLinear ? "linear" : "mlp"},
          {"context_length", tower.context_length}};
}

bool IsQuick(const VitConfig& tower) { return tower.activation == Activation::kQuickGelu; }
bool IsQuick(const TransformerConfig& tower) { return tower.activation == Activation::kQuickGelu; }
// Towers whose activation "quick_gelu" does not touch agree with either.
std::optional<bool> QuickImage(const ClipConfig& config) {
  const auto* vit = std::get_if<VitConfig>(&config.image);
  return vit == nullptr ? std::nullopt : std::optional<bool>(IsQuick(*vit));
}
std::optional<bool> QuickText(const ClipConfig& config) {
  const auto* transformer = std::get_if<TransformerConfig>(&config.text);
  return transformer == nullptr ? std::nullopt : std::optional<bool>(IsQuick(*transformer));
}

const char* FilterName(kernels::Filter filter) {
  return filter == kernels::Filter::kBilinear ? "bilinear" : "bicubic";
}

const char* ModeName(ResizeMode mode) {
  switch (mode) {
    case ResizeMode::kShortest: return "shortest";
    case ResizeMode::kLongest: return "longest";
    case ResizeMode::kSquash: return "squash";
  }
  return "";
}

}  // namespace

Status CheckOpenClipLayout(const ClipConfig& config) {
  const std::optional<bool> image = QuickImage(config), text = QuickText(config);
  if (image && text && *image != *text) {
    return Unsupported("open_clip layout", "has one \"quick_gelu\" for both towers, and these differ in it");
  }
  return Status::Ok();
}

std::string OpenClipConfigJson(const ClipConfig& config) {
  OrderedJson model = {{"embed_dim", config.embed_dim}};
  if (QuickImage(config).value_or(false) || QuickText(config).value_or(false)) model["quick_gelu"] = true;
  if (config.has_logit_bias) model["init_logit_bias"] = -10;
  model["vision_cfg"] = std::visit([&](const auto& tower) { return VisionJson(tower, config); }, config.image);
  OrderedJson text = std::visit([&](const auto& tower) { return TextJson(tower, config); }, config.text);
  if (!config.builtin_tokenizer) {
    text["hf_tokenizer_name"] = config.hf_tokenizer_name.empty() ? "." : config.hf_tokenizer_name;
    text["tokenizer_kwargs"] = {{"clean", CleanName(config.tokenizer.clean)}};
  }
  model["text_cfg"] = text;
  const PreprocessConfig& p = config.preprocess;
  OrderedJson pixels = {{"mean", Decimals(p.mean)},
                        {"std", Decimals(p.std)},
                        {"interpolation", FilterName(p.filter)},
                        {"resize_mode", ModeName(p.mode)}};
  if (p.mode == ResizeMode::kLongest) pixels["fill_color"] = p.fill_color;
  return Dump({{"model_cfg", model}, {"preprocess_cfg", pixels}});
}

Status CheckHuggingFaceLayout(const ClipConfig& config) {
  constexpr char kLayout[] = "transformers layout";
  const auto refuse = [&](const std::string& what) {
    return Unsupported(kLayout, what, "save it with --layout open_clip");
  };
  const auto* vit = std::get_if<VitConfig>(&config.image);
  const auto* text = std::get_if<TransformerConfig>(&config.text);
  if (vit == nullptr) return refuse("CLIPModel has a ViT as its image tower, this model another one");
  if (text == nullptr) return refuse("CLIPModel has CLIP's own text transformer, this model another one");
  if (vit->pooling != VitPooling::kClassToken || !vit->pre_norm) {
    return refuse("CLIPModel pools the class token, after a norm before its blocks");
  }
  const bool pooled_at_end = text->pooling == TextPooling::kArgmax || text->pooling == TextPooling::kEos;
  if (!text->causal || !pooled_at_end || text->projection != TextProjection::kMatrix) {
    return refuse("CLIPModel's text tower is causal, pooled at the end token and projected without a bias");
  }
  if (config.has_logit_bias) return refuse("CLIPModel has no logit bias");
  if (config.preprocess.mode == ResizeMode::kLongest) return refuse("its pixels cannot be padded to a square");
  return Status::Ok();
}

std::string HuggingFaceConfigJson(const ClipConfig& config) {
  const auto& vit = std::get<VitConfig>(config.image);
  const auto& text = std::get<TransformerConfig>(config.text);
  // transformers takes 2 for "pool the largest id"; otherwise its tokenizer's ends of text.
  constexpr int kLegacyEos = 2, kStart = 49406;
  OrderedJson text_json = {{"model_type", "clip_text_model"},
                           {"hidden_size", text.width},
                           {"intermediate_size", text.mlp_width},
                           {"num_hidden_layers", text.layers},
                           {"num_attention_heads", text.heads},
                           {"max_position_embeddings", text.context_length},
                           {"vocab_size", text.vocab_size},
                           {"hidden_act", NameOfActivation(text.activation)},
                           {"layer_norm_eps", Decimal(text.layer_norm_eps)},
                           {"projection_dim", config.embed_dim},
                           {"bos_token_id", text.vocab_size > kStart ? kStart : 0},
                           {"eos_token_id", text.pooling == TextPooling::kArgmax ? kLegacyEos : text.eos_id}};
  OrderedJson vision_json = {{"model_type", "clip_vision_model"},
                             {"hidden_size", vit.width},
                             {"intermediate_size", vit.mlp_width},
                             {"num_hidden_layers", vit.layers},
                             {"num_attention_heads", vit.heads},
                             {"image_size", vit.image_size},
                             {"patch_size", vit.patch_size},
                             {"num_channels", 3},
                             {"hidden_act", NameOfActivation(vit.activation)},
                             {"layer_norm_eps", Decimal(vit.layer_norm_eps)},
                             {"projection_dim", config.embed_dim}};
  return Dump({{"architectures", {"CLIPModel"}},
               {"model_type", "clip"},
               {"projection_dim", config.embed_dim},
               {"text_config", text_json},
               {"vision_config", vision_json},
               {"dtype", "float32"}});
}

std::string HuggingFacePreprocessor(const ClipConfig& config) {
  const PreprocessConfig& p = config.preprocess;
  const bool crops = p.mode == ResizeMode::kShortest;
  const OrderedJson square = {{"height", p.crop}, {"width", p.crop}};
  constexpr int kBilinear = 2, kBicubic = 3;  // Pillow's numbers
  return Dump({{"image_processor_type", "CLIPImageProcessor"},
               {"do_resize", true},
               {"size", crops ? OrderedJson{{"shortest_edge", p.size}} : square},
               {"resample", p.filter == kernels::Filter::kBilinear ? kBilinear : kBicubic},
               {"do_center_crop", crops},
               {"crop_size", square},
               {"do_convert_rgb", true},
               {"do_rescale", true},
               {"rescale_factor", 1.0 / 255},
               {"do_normalize", true},
               {"image_mean", Decimals(p.mean)},
               {"image_std", Decimals(p.std)}});
}

}  // namespace diptych
