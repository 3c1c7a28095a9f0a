#include "clip/hf_config.h"

#include <filesystem>
#include <utility>

#include "clip/config_fields.h"
#include "core/json.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr char kFile[] = "config.json";
constexpr char kDefault[] = "transformers' default";

// Where a field's value came from, for `info`.
std::string SourceOf(const JsonReader& reader, const std::string& key) { return reader.Has(key) ? kFile : kDefault; }

// Older files carry text_config_dict and vision_config_dict beside the plain ones; transformers lets them win, key by
// key.
Json SubConfig(const JsonReader& top, const std::string& name) {
  Json merged = Json::object();
  for (const std::string& key : {name, name + "_dict"}) {
    const auto it = top.json().find(key);
    if (it != top.json().end() && it->is_object()) merged.update(*it);
  }
  return merged;
}

Status ReadVision(JsonReader& vision, ClipConfig& config) {
  VitConfig tower;
  tower.image_size = Bounded(vision, "image_size", 224, kMaxImageSize);
  tower.patch_size = Bounded(vision, "patch_size", 32, kMaxImageSize);
  tower.width = Bounded(vision, "hidden_size", 768, kMaxWidth);
  tower.layers = Bounded(vision, "num_hidden_layers", 12, kMaxLayers);
  tower.heads = Bounded(vision, "num_attention_heads", 12, kMaxWidth);
  tower.mlp_width = Bounded(vision, "intermediate_size", 3072, 8 * kMaxWidth);
  tower.layer_norm_eps = static_cast<float>(vision.Double("layer_norm_eps", 1e-5));
  tower.embed_dim = config.embed_dim;
  tower.projection_order = kernels::WeightOrder::kOutIn;
  ASSIGN_OR_RETURN(tower.activation, ActivationByName(vision.String("hidden_act", "quick_gelu"), vision.where()));
  const int64_t channels = vision.Int("num_channels", 3);
  RETURN_IF_ERROR(vision.Check());
  RETURN_IF_ERROR(CheckHeads(vision.where(), tower.width, tower.heads));
  if (channels != 3) return Unsupported(vision.where(), "num_channels " + std::to_string(channels) + " is not 3");
  if (tower.patch_size > tower.image_size) return Corrupt(vision.where(), "patch_size is larger than image_size");
  config.image = tower;
  config.family = DescribeVit(tower);
  config.facts.push_back({"image tower", DescribeVit(tower), SourceOf(vision, "hidden_size")});
  config.facts.push_back({"image activation", NameOfActivation(tower.activation), SourceOf(vision, "hidden_act")});
  return Status::Ok();
}

Status ReadText(JsonReader& text, ClipConfig& config) {
  TransformerConfig tower;
  tower.context_length = Bounded(text, "max_position_embeddings", 77, kMaxContext);
  tower.vocab_size = Bounded(text, "vocab_size", 49408, kMaxVocab);
  tower.width = Bounded(text, "hidden_size", 512, kMaxWidth);
  tower.layers = Bounded(text, "num_hidden_layers", 12, kMaxLayers);
  tower.heads = Bounded(text, "num_attention_heads", 8, kMaxWidth);
  tower.mlp_width = Bounded(text, "intermediate_size", 2048, 8 * kMaxWidth);
  tower.layer_norm_eps = static_cast<float>(text.Double("layer_norm_eps", 1e-5));
  tower.embed_dim = config.embed_dim;
  tower.projection_order = kernels::WeightOrder::kOutIn;
  ASSIGN_OR_RETURN(tower.activation, ActivationByName(text.String("hidden_act", "quick_gelu"), text.where()));
  // Files from before a fix in transformers say 2, which is no CLIP token: there the largest id is the end.
  constexpr int32_t kLegacyEos = 2;
  tower.eos_id = static_cast<int32_t>(text.Int("eos_token_id", 49407, 0, kMaxVocab));
  tower.pooling = tower.eos_id == kLegacyEos ? TextPooling::kArgmax : TextPooling::kEos;
  RETURN_IF_ERROR(text.Check());
  RETURN_IF_ERROR(CheckHeads(text.where(), tower.width, tower.heads));
  config.text = tower;
  config.tokenizer.context_length = tower.context_length;
  config.tokenizer.clean = TextClean::kNone;
  config.facts.push_back({"text tower", DescribeTransformer(tower), SourceOf(text, "hidden_size")});
  config.facts.push_back(
      {"context length", std::to_string(tower.context_length), SourceOf(text, "max_position_embeddings")});
  config.facts.push_back({"text activation", NameOfActivation(tower.activation), SourceOf(text, "hidden_act")});
  config.facts.push_back({"pooled text row", tower.pooling == TextPooling::kEos ? "first end token" : "largest id",
                          SourceOf(text, "eos_token_id")});
  return Status::Ok();
}

// Pillow's numbers of its filters.
Result<kernels::Filter> FilterByNumber(int64_t number, const std::string& where) {
  using kernels::Filter;
  static constexpr Filter kFilters[] = {Filter::kNearest, Filter::kLanczos, Filter::kBilinear,
                                        Filter::kBicubic, Filter::kBox,     Filter::kHamming};
  if (number >= 0 && number < static_cast<int64_t>(std::size(kFilters))) return kFilters[number];
  return Unsupported(where, "resample " + std::to_string(number) + " is not one of Pillow's filters (0 to 5)");
}

// "size" and "crop_size" are a number, {"shortest_edge": n}, {"height": h, "width": w} or [h, w].
struct Size {
  int64_t height = 0, width = 0;
  bool shortest_edge = false;
};

Result<Size> ReadSize(const JsonReader& reader, const std::string& key, Size missing, bool number_is_shortest) {
  const auto it = reader.json().find(key);
  if (it == reader.json().end() || it->is_null()) return missing;
  Size size;
  if (it->is_object()) {
    JsonReader object(*it, reader.where() + ": " + key);
    size.shortest_edge = object.Has("shortest_edge");
    size.height = object.Int(size.shortest_edge ? "shortest_edge" : "height", 0, 1, kMaxImageSize);
    size.width = size.shortest_edge ? size.height : object.Int("width", 0, 1, kMaxImageSize);
    RETURN_IF_ERROR(object.Check());
  } else if (it->is_array() && it->size() == 2 && (*it)[0].is_number_integer() && (*it)[1].is_number_integer()) {
    size.height = (*it)[0].get<int64_t>();
    size.width = (*it)[1].get<int64_t>();
  } else if (it->is_number_integer()) {
    size.height = size.width = it->get<int64_t>();
    size.shortest_edge = number_is_shortest;
  }
  if (size.height < 1 || size.height > kMaxImageSize || size.height != size.width) {
    return Unsupported(reader.where(), "field \"" + key + "\" is not a square between 1 and " +
                                           std::to_string(kMaxImageSize) + " pixels");
  }
  return size;
}

// CLIPImageProcessor, in the order of its steps.
Status ReadProcessor(JsonReader& processor, ClipConfig& config) {
  PreprocessConfig& p = config.preprocess;
  p.reference = PixelReference::kHuggingFace;
  for (const char* step : {"do_resize", "do_rescale", "do_normalize"}) {
    if (!processor.Bool(step, true)) {
      return Unsupported(processor.where(), std::string("\"") + step + "\": false is not supported");
    }
  }
  ASSIGN_OR_RETURN(const Size size, ReadSize(processor, "size", {224, 224, true}, true));
  ASSIGN_OR_RETURN(const Size crop, ReadSize(processor, "crop_size", {224, 224, false}, false));
  const bool crops = processor.Bool("do_center_crop", true);
  p.mode = size.shortest_edge ? ResizeMode::kShortest : ResizeMode::kSquash;
  p.size = static_cast<int>(size.height);
  p.crop = static_cast<int>(crops ? crop.height : size.height);
  if (!crops && size.shortest_edge) {
    return Unsupported(processor.where(), "\"do_center_crop\": false with a shortest-edge resize gives no square");
  }
  ASSIGN_OR_RETURN(p.filter, FilterByNumber(processor.Int("resample", 3, 0, 100), processor.where()));
  RETURN_IF_ERROR(ReadThree(processor, "image_mean", p.mean));
  RETURN_IF_ERROR(ReadThree(processor, "image_std", p.std));
  for (const float value : p.std) {
    if (!(value > 0)) return Corrupt(processor.where(), "field \"image_std\" holds a number that is not above 0");
  }
  RETURN_IF_ERROR(processor.Check());
  const int tower_size = std::get<VitConfig>(config.image).image_size;
  if (p.crop != tower_size) {
    return Corrupt(processor.where(), "prepares pictures of " + std::to_string(p.crop) +
                                          " pixels, the image tower wants " + std::to_string(tower_size));
  }
  return Status::Ok();
}

Status ReadPreprocessor(const std::string& folder, ClipConfig& config) {
  const std::string path = (fs::path(folder) / "preprocessor_config.json").string();
  const std::string nested_path = (fs::path(folder) / "processor_config.json").string();
  std::error_code ignored;
  Json json = Json::object();
  std::string where = path;
  if (fs::exists(path, ignored)) {
    ASSIGN_OR_RETURN(json, LoadJson(path));
  } else if (fs::exists(nested_path, ignored)) {  // transformers 5 writes one file for all of a processor's parts
    ASSIGN_OR_RETURN(const Json all, LoadJson(nested_path));
    where = nested_path;
    if (all.is_object() && all.contains("image_processor")) json = all["image_processor"];
  }
  JsonReader processor(json, where);
  RETURN_IF_ERROR(processor.Check());
  config.facts.push_back({"preprocessing", processor.json().empty() ? "CLIPImageProcessor" : "as the file says",
                          processor.json().empty() ? kDefault : fs::path(where).filename().string()});
  return ReadProcessor(processor, config);
}

}  // namespace

Result<ClipConfig> LoadHuggingFaceConfig(const std::string& folder) {
  const std::string path = (fs::path(folder) / kFile).string();
  ASSIGN_OR_RETURN(const Json json, LoadJson(path));
  JsonReader top(json, path);
  RETURN_IF_ERROR(top.Check());
  const std::string type = top.String("model_type", "");
  if (type != "clip") {
    return Unsupported(path, "model_type \"" + type + "\" is not supported", "supported here: \"clip\"");
  }
  ClipConfig config;
  config.folder = folder;
  config.container = Container::kHuggingFace;
  config.embed_dim = Bounded(top, "projection_dim", 512, kMaxWidth);
  RETURN_IF_ERROR(top.Check());
  config.facts.push_back({"embedding", std::to_string(config.embed_dim), SourceOf(top, "projection_dim")});
  const Json vision_json = SubConfig(top, "vision_config"), text_json = SubConfig(top, "text_config");
  JsonReader vision(vision_json, path + ": vision_config"), text(text_json, path + ": text_config");
  RETURN_IF_ERROR(ReadVision(vision, config));
  RETURN_IF_ERROR(ReadText(text, config));
  RETURN_IF_ERROR(ReadPreprocessor(folder, config));
  ASSIGN_OR_RETURN(config.weights, FindWeights(folder, {"model.safetensors", "model.safetensors.index.json",
                                                        "pytorch_model.bin", "pytorch_model.bin.index.json"}));
  return config;
}

}  // namespace diptych
