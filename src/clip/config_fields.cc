#include "clip/config_fields.h"

#include <filesystem>
#include <system_error>

namespace diptych {

using kernels::Activation;

int Bounded(JsonReader& reader, const std::string& key, int64_t missing, int64_t max) {
  return static_cast<int>(reader.Int(key, missing, 1, max));
}

Result<Activation> ActivationByName(const std::string& name, const std::string& where) {
  if (name == "gelu") return Activation::kGelu;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  return Unsupported(where, "activation \"" + name + "\" is unknown",
                     "known: gelu, quick_gelu, gelu_new, gelu_pytorch_tanh, relu");
}

const char* NameOfActivation(Activation activation) {
  switch (activation) {
    case Activation::kNone: return "none";
    case Activation::kRelu: return "relu";
    case Activation::kRelu6: return "relu6";
    case Activation::kQuickGelu: return "quick_gelu";
    case Activation::kGelu: return "gelu";
    case Activation::kGeluTanh: return "gelu_pytorch_tanh";
  }
  return "unknown";
}

Status ReadThree(JsonReader& reader, const std::string& key, std::array<float, 3>& values) {
  const std::vector<double> read = reader.Doubles(key, {values[0], values[1], values[2]});
  if (read.size() != 3) return Corrupt(reader.where(), "field \"" + key + "\" does not hold 3 numbers");
  for (size_t c = 0; c < 3; ++c) values[c] = static_cast<float>(read[c]);
  return Status::Ok();
}

Status CheckHeads(const std::string& where, int width, int heads) {
  if (width % heads == 0) return Status::Ok();
  return Corrupt(where, "width " + std::to_string(width) + " is not a multiple of " + std::to_string(heads) + " heads");
}

Result<std::vector<std::string>> FindWeights(const std::string& folder, const std::vector<std::string>& names) {
  std::error_code ignored;
  const std::filesystem::path root(folder);
  std::string wanted;
  for (const std::string& name : names) {
    if (std::filesystem::exists(root / name, ignored)) return std::vector<std::string>{name};
    wanted += (wanted.empty() ? "" : ", ") + name;
  }
  return NotFound(folder, "holds no weights", "looked for " + wanted);
}

std::string DescribeVit(const VitConfig& tower) {
  struct Size {
    int width, layers;
    const char* letter;
  };
  static constexpr Size kSizes[] = {{192, 12, "T"},  {384, 12, "S"},  {512, 12, "M"},  {768, 12, "B"},
                                    {1024, 24, "L"}, {1280, 32, "H"}, {1408, 40, "g"}, {1664, 48, "bigG"}};
  const std::string tail = "/" + std::to_string(tower.patch_size) + ", " + std::to_string(tower.image_size) + " pixels";
  for (const Size& size : kSizes) {
    if (tower.width == size.width && tower.layers == size.layers) return std::string("ViT-") + size.letter + tail;
  }
  return "ViT " + std::to_string(tower.layers) + "x" + std::to_string(tower.width) + tail;
}

std::string DescribeResNet(const ResNetConfig& tower) {
  struct Size {
    std::array<int, 4> layers;
    int width;
    const char* name;
  };
  static constexpr Size kSizes[] = {{{3, 4, 6, 3}, 64, "RN50"},
                                    {{3, 4, 23, 3}, 64, "RN101"},
                                    {{4, 6, 10, 6}, 80, "RN50x4"},
                                    {{6, 8, 18, 8}, 96, "RN50x16"},
                                    {{3, 15, 36, 10}, 128, "RN50x64"}};
  const std::string tail = ", " + std::to_string(tower.image_size) + " pixels";
  for (const Size& size : kSizes) {
    if (tower.layers == size.layers && tower.width == size.width) return size.name + tail;
  }
  std::string text = "ResNet ";
  for (const int layers : tower.layers) text += std::to_string(layers) + "-";
  text.back() = ' ';
  return text + "x " + std::to_string(tower.width) + tail;
}

std::string DescribeTransformer(const TransformerConfig& tower) {
  return "transformer, " + std::to_string(tower.layers) + " layers of " + std::to_string(tower.width);
}

}  // namespace diptych
