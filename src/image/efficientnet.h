// EfficientNet-Lite (Tan and Le, 2019; the Lite variants have ReLU6 and no squeeze-excitation), as timm's
// tf_efficientnet_lite*, with open_clip's linear projection on top.
#ifndef DIPTYCH_IMAGE_EFFICIENTNET_H_
#define DIPTYCH_IMAGE_EFFICIENTNET_H_

#include <memory>

#include "image/efficientnet_config.h"
#include "image/tower.h"

namespace diptych {

/// Parameters are named "visual.trunk.conv_stem.weight", "visual.trunk.blocks.1.0.conv_pw.weight", ...,
/// "visual.head.proj.weight", as in open_clip's state dict.
std::unique_ptr<ImageTower> MakeEfficientNet(const EfficientNetConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_EFFICIENTNET_H_
