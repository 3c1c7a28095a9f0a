// The vision transformer of CLIP (Dosovitskiy et al., 2020; Radford et al., 2021), as open_clip's VisionTransformer and
// transformers' CLIPVisionModel.
#ifndef DIPTYCH_IMAGE_VIT_H_
#define DIPTYCH_IMAGE_VIT_H_

#include <memory>

#include "image/tower.h"
#include "image/vit_config.h"

namespace diptych {

/// Parameters are named as in open_clip: "visual.conv1.weight", "visual.class_embedding",
/// "visual.positional_embedding", "visual.ln_pre.weight", "visual.transformer.resblocks.0. ...",
/// "visual.ln_post.weight", "visual.proj".
std::unique_ptr<ImageTower> MakeVit(const VitConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_VIT_H_
