// What the readers of all containers' configurations share: bounds, and names that they have in common.
#ifndef DIPTYCH_CLIP_CONFIG_FIELDS_H_
#define DIPTYCH_CLIP_CONFIG_FIELDS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/status.h"
#include "image/resnet_config.h"
#include "image/vit_config.h"
#include "kernels/activation.h"
#include "text/transformer_config.h"

namespace diptych {

// Bounds of what a configuration may ask for: far above every published model, far below what exhausts memory.
inline constexpr int64_t kMaxWidth = 1 << 15;
inline constexpr int64_t kMaxLayers = 512;
inline constexpr int64_t kMaxVocab = 1 << 22;
inline constexpr int64_t kMaxImageSize = 4096;
inline constexpr int64_t kMaxContext = 1 << 16;

/// A whole number from 1 to `max`.
int Bounded(JsonReader& reader, const std::string& key, int64_t missing, int64_t max);

/// "gelu", "quick_gelu", ... as transformers' hidden_act names them.
Result<kernels::Activation> ActivationByName(const std::string& name, const std::string& where);
/// The other way round.
const char* NameOfActivation(kernels::Activation activation);

/// Three numbers under `key`; `values` stay where it is absent.
Status ReadThree(JsonReader& reader, const std::string& key, std::array<float, 3>& values);

/// `width` must be a multiple of `heads`.
Status CheckHeads(const std::string& where, int width, int heads);

/// The first of `names` that `folder` holds, or an error that names them.
Result<std::vector<std::string>> FindWeights(const std::string& folder, const std::vector<std::string>& names);

/// "ViT-B/32, 224 pixels" where the width has a letter; "ViT 10x256/16, 224 pixels" where it has none.
std::string DescribeVit(const VitConfig& tower);
/// "RN50x4, 288 pixels" of OpenAI's shapes; "ResNet 1-1-1-1 x 32, 64 pixels" of others.
std::string DescribeResNet(const ResNetConfig& tower);
/// "transformer, 12 layers of 512".
std::string DescribeTransformer(const TransformerConfig& tower);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_CONFIG_FIELDS_H_
