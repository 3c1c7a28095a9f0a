// Towers described in a few words: what --image-tower and --text-tower say.
#ifndef DIPTYCH_TRAIN_ARCHITECTURE_H_
#define DIPTYCH_TRAIN_ARCHITECTURE_H_

#include <string>

#include "core/status.h"
#include "image/tower.h"
#include "text/tower.h"

namespace diptych::train {

/// "vit:12,192,3,p8" (layers, width, heads, patch), "resnet:1,1,1,1,w32" (blocks of each stage, width), or the name of
/// a published configuration: "ViT-B-32", "RN50", "tf_efficientnet_lite0". Errors (kInvalidArgument) quote the text.
/// 0 for `image_size` takes the configuration's own, or 224.
struct ImageTowerSpec {
  std::string text;
  int image_size = 0;
  int embed_dim = 512;
};
Result<ImageTowerConfig> ParseImageTower(const ImageTowerSpec& spec);

/// "transformer:6,256,4" (layers, width, heads), or a published configuration's text tower by its name: "ViT-B-32".
/// CLIP's vocabulary, 77 tokens, causal.
Result<TextTowerConfig> ParseTextTower(const std::string& text, int embed_dim);

/// Of the published configuration; 0 where the text names none.
int EmbedDimOfName(const std::string& text);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_ARCHITECTURE_H_
