// A model -> a checkpoint folder that the reference libraries load.
#ifndef DIPTYCH_CLIP_SAVE_H_
#define DIPTYCH_CLIP_SAVE_H_

#include <string>

#include "clip/model.h"
#include "core/status.h"

namespace diptych {

/// Writes the weights (fp32), the configuration, and what belongs to the tokenizer, into `folder`, which is made if it
/// is not there. kOpenClip: open_clip_config.json and open_clip_model.safetensors, as
/// open_clip.create_model_from_pretrained("local-dir:FOLDER") reads them. kHuggingFace: config.json, model.safetensors,
/// preprocessor_config.json and the tokenizer's files, as transformers' CLIPModel.from_pretrained.
/// Each file appears whole or not at all, the weights last but one, the configuration last.
/// Errors: an architecture that the layout has no words for (CheckLayout), a disk that is full.
Status SaveClipModel(ClipModel& model, Container layout, const std::string& folder);

/// Whether SaveClipModel, in either layout, would write over a file of a model.
bool HoldsModel(const std::string& folder);

/// What SaveClipModel would refuse, known before anything is trained.
Status CheckLayout(const ClipConfig& config, Container layout);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_SAVE_H_
