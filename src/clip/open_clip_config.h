// open_clip's configuration files (open_clip_config.json), field by field.
#ifndef DIPTYCH_CLIP_OPEN_CLIP_CONFIG_H_
#define DIPTYCH_CLIP_OPEN_CLIP_CONFIG_H_

#include <string>

#include "clip/config.h"
#include "core/status.h"

namespace diptych {

/// Reads `folder`/open_clip_config.json, and text_config.json beside it where the text tower is Hugging Face's.
Result<ClipConfig> LoadOpenClipConfig(const std::string& folder);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_OPEN_CLIP_CONFIG_H_
