// timm's names of image towers that open_clip configurations use.
#ifndef DIPTYCH_CLIP_TIMM_MODELS_H_
#define DIPTYCH_CLIP_TIMM_MODELS_H_

#include <optional>
#include <string>

#include "image/efficientnet_config.h"

namespace diptych {

/// tf_efficientnet_lite0 to tf_efficientnet_lite4; nothing for another name. Image size and embedding are the caller's.
std::optional<EfficientNetConfig> EfficientNetByTimmName(const std::string& name);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_TIMM_MODELS_H_
