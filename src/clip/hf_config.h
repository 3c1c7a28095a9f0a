// transformers' checkpoint folders of a CLIPModel: config.json, preprocessor_config.json, tokenizer files.
#ifndef DIPTYCH_CLIP_HF_CONFIG_H_
#define DIPTYCH_CLIP_HF_CONFIG_H_

#include <string>

#include "clip/config.h"
#include "core/status.h"

namespace diptych {

/// Every key may be missing: transformers' class defaults (CLIPConfig, CLIPImageProcessor) carry the model then.
Result<ClipConfig> LoadHuggingFaceConfig(const std::string& folder);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_HF_CONFIG_H_
