// A model's configuration -> the reference libraries' files: what open_clip_config and hf_config read, written.
#ifndef DIPTYCH_CLIP_WRITE_CONFIG_H_
#define DIPTYCH_CLIP_WRITE_CONFIG_H_

#include <string>

#include "clip/config.h"
#include "core/status.h"

namespace diptych {

/// Errors (kUnsupported): two towers of different activations, which open_clip's one "quick_gelu" cannot tell.
Status CheckOpenClipLayout(const ClipConfig& config);
/// REQUIRES: CheckOpenClipLayout.
std::string OpenClipConfigJson(const ClipConfig& config);

/// Errors (kUnsupported): anything but a ViT with a class token and CLIP's causal text transformer, a logit bias,
/// pixels that are not cropped to a square of the shortest edge.
Status CheckHuggingFaceLayout(const ClipConfig& config);
/// REQUIRES: CheckHuggingFaceLayout.
std::string HuggingFaceConfigJson(const ClipConfig& config);
std::string HuggingFacePreprocessor(const ClipConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_WRITE_CONFIG_H_
