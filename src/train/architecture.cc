#include "train/architecture.h"

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "clip/config_fields.h"
#include "clip/timm_models.h"

namespace diptych::train {
namespace {

// open_clip's model configurations (src/open_clip/model_configs), shapes alone.
struct NamedVit {
  const char* name;
  int image_size, patch, width, layers, heads, embed_dim;
  int text_width, text_layers, text_heads;
};
constexpr NamedVit kVits[] = {
    {"ViT-S-32", 224, 32, 384, 12, 6, 384, 384, 12, 6},      {"ViT-S-16", 224, 16, 384, 12, 6, 384, 384, 12, 6},
    {"ViT-M-32", 224, 32, 512, 12, 8, 512, 512, 12, 8},      {"ViT-M-16", 224, 16, 512, 12, 8, 512, 512, 12, 8},
    {"ViT-B-32", 224, 32, 768, 12, 12, 512, 512, 12, 8},     {"ViT-B-16", 224, 16, 768, 12, 12, 512, 512, 12, 8},
    {"ViT-L-14", 224, 14, 1024, 24, 16, 768, 768, 12, 12},   {"ViT-L-16", 224, 16, 1024, 24, 16, 768, 768, 12, 12},
    {"ViT-H-14", 224, 14, 1280, 32, 16, 1024, 1024, 24, 16},
};

struct NamedResNet {
  const char* name;
  int image_size;
  std::array<int, 4> layers;
  int width, embed_dim;
  int text_width, text_layers, text_heads;
};
constexpr NamedResNet kResNets[] = {
    {"RN50", 224, {3, 4, 6, 3}, 64, 1024, 512, 12, 8},          {"RN101", 224, {3, 4, 23, 3}, 64, 512, 512, 12, 8},
    {"RN50x4", 288, {4, 6, 10, 6}, 80, 640, 640, 12, 10},       {"RN50x16", 384, {6, 8, 18, 8}, 96, 768, 768, 12, 12},
    {"RN50x64", 448, {3, 15, 36, 10}, 128, 1024, 1024, 12, 16},
};

const NamedVit* FindVit(const std::string& name) {
  for (const NamedVit& row : kVits) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

const NamedResNet* FindResNet(const std::string& name) {
  for (const NamedResNet& row : kResNets) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

// The numbers of "12,192,3,p8" after the colon: plain ones, and one behind a letter. Nothing if it is not such a list.
struct Numbers {
  std::vector<int> plain;
  std::optional<int> lettered;
};
std::optional<Numbers> ParseNumbers(std::string_view text, char letter) {
  Numbers numbers;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const bool lettered = !item.empty() && item[0] == letter;
    if (lettered) item.remove_prefix(1);
    int value = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), value);
    if (error != std::errc() || end != item.data() + item.size() || value < 1 || value > kMaxWidth) return std::nullopt;
    if (lettered) {
      numbers.lettered = value;
    } else {
      numbers.plain.push_back(value);
    }
  }
  return numbers;
}

// What follows "kind:" in a description of that kind.
std::optional<std::string_view> After(const std::string& text, std::string_view kind) {
  if (!text.starts_with(kind) || text.size() <= kind.size() || text[kind.size()] != ':') return std::nullopt;
  return std::string_view(text).substr(kind.size() + 1);
}

Result<ImageTowerConfig> VitOf(const ImageTowerSpec& spec, std::string_view numbers_text) {
  const std::optional<Numbers> numbers = ParseNumbers(numbers_text, 'p');
  if (!numbers || numbers->plain.size() != 3 || !numbers->lettered) {
    return InvalidArgument("--image-tower", "\"" + spec.text + "\" is not vit:LAYERS,WIDTH,HEADS,pPATCH",
                           "for example vit:12,192,3,p8");
  }
  VitConfig config{.patch_size = *numbers->lettered,
                   .width = numbers->plain[1],
                   .layers = numbers->plain[0],
                   .heads = numbers->plain[2],
                   .mlp_width = 4 * numbers->plain[1],
                   .embed_dim = spec.embed_dim};
  if (spec.image_size > 0) config.image_size = spec.image_size;
  if (config.layers > kMaxLayers || config.width % config.heads != 0) {
    return InvalidArgument("--image-tower", "\"" + spec.text + "\": the width must be a multiple of the heads");
  }
  if (config.image_size % config.patch_size != 0) {
    return InvalidArgument("--image-size", std::to_string(config.image_size) + " is not a multiple of the patch " +
                                               std::to_string(config.patch_size));
  }
  return ImageTowerConfig(config);
}

ImageTowerConfig VitOf(const ImageTowerSpec& spec, const NamedVit& row) {
  return VitConfig{.image_size = spec.image_size > 0 ? spec.image_size : row.image_size,
                   .patch_size = row.patch,
                   .width = row.width,
                   .layers = row.layers,
                   .heads = row.heads,
                   .mlp_width = 4 * row.width,
                   .embed_dim = spec.embed_dim};
}

// The attention pool has heads of 64.
ResNetConfig ResNetOf(int image_size, const std::array<int, 4>& layers, int width, int embed_dim) {
  return {.image_size = image_size, .embed_dim = embed_dim, .layers = layers, .width = width, .heads = width * 32 / 64};
}

Result<ImageTowerConfig> CheckedResNet(const ResNetConfig& config) {
  if (config.image_size % 32 == 0) return ImageTowerConfig(config);
  return InvalidArgument("--image-size", std::to_string(config.image_size) + " is not a multiple of 32",
                         "a ResNet makes a map of S / 32");
}

Result<ImageTowerConfig> ResNetOf(const ImageTowerSpec& spec, std::string_view numbers_text) {
  const std::optional<Numbers> numbers = ParseNumbers(numbers_text, 'w');
  if (!numbers || numbers->plain.size() != 4 || !numbers->lettered || *numbers->lettered % 2 != 0) {
    return InvalidArgument("--image-tower", "\"" + spec.text + "\" is not resnet:A,B,C,D,wWIDTH with an even width",
                           "for example resnet:1,1,1,1,w32");
  }
  const auto& n = numbers->plain;
  const int image_size = spec.image_size > 0 ? spec.image_size : 224;
  return CheckedResNet(ResNetOf(image_size, {n[0], n[1], n[2], n[3]}, *numbers->lettered, spec.embed_dim));
}

TransformerConfig TransformerOf(int layers, int width, int heads, int embed_dim) {
  return {.width = width, .layers = layers, .heads = heads, .mlp_width = 4 * width, .embed_dim = embed_dim};
}

}  // namespace

Result<ImageTowerConfig> ParseImageTower(const ImageTowerSpec& spec) {
  if (const auto numbers = After(spec.text, "vit")) return VitOf(spec, *numbers);
  if (const NamedVit* row = FindVit(spec.text)) return VitOf(spec, *row);
  if (const auto numbers = After(spec.text, "resnet")) return ResNetOf(spec, *numbers);
  if (const NamedResNet* row = FindResNet(spec.text)) {
    const int image_size = spec.image_size > 0 ? spec.image_size : row->image_size;
    return CheckedResNet(ResNetOf(image_size, row->layers, row->width, spec.embed_dim));
  }
  if (std::optional<EfficientNetConfig> config = EfficientNetByTimmName(spec.text)) {
    config->image_size = spec.image_size > 0 ? spec.image_size : 224;
    config->embed_dim = spec.embed_dim;
    return ImageTowerConfig(*config);
  }
  return InvalidArgument("--image-tower", "\"" + spec.text + "\" is unknown",
                         "vit:LAYERS,WIDTH,HEADS,pPATCH, resnet:A,B,C,D,wWIDTH, or a name such as ViT-B-32, RN50 or "
                         "tf_efficientnet_lite0");
}

Result<TextTowerConfig> ParseTextTower(const std::string& text, int embed_dim) {
  if (const auto numbers_text = After(text, "transformer")) {
    const std::optional<Numbers> numbers = ParseNumbers(*numbers_text, '\0');
    if (!numbers || numbers->plain.size() != 3) {
      return InvalidArgument("--text-tower", "\"" + text + "\" is not transformer:LAYERS,WIDTH,HEADS",
                             "for example transformer:6,256,4");
    }
    const auto& n = numbers->plain;
    if (n[0] > kMaxLayers || n[1] % n[2] != 0) {
      return InvalidArgument("--text-tower", "\"" + text + "\": the width must be a multiple of the heads");
    }
    return TextTowerConfig(TransformerOf(n[0], n[1], n[2], embed_dim));
  }
  if (const NamedVit* row = FindVit(text)) {
    return TextTowerConfig(TransformerOf(row->text_layers, row->text_width, row->text_heads, embed_dim));
  }
  if (const NamedResNet* row = FindResNet(text)) {
    return TextTowerConfig(TransformerOf(row->text_layers, row->text_width, row->text_heads, embed_dim));
  }
  return InvalidArgument("--text-tower", "\"" + text + "\" is unknown",
                         "transformer:LAYERS,WIDTH,HEADS, or a name such as ViT-B-32");
}

int EmbedDimOfName(const std::string& text) {
  if (const NamedVit* row = FindVit(text)) return row->embed_dim;
  if (const NamedResNet* row = FindResNet(text)) return row->embed_dim;
  return 0;
}

}  // namespace diptych::train
