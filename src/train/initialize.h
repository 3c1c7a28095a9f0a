// The first values of parameters that no checkpoint gives: open_clip's rules (CLIP.init_parameters, VisionTransformer,
// ModifiedResNet), timm's for EfficientNet, transformers' for BERT.
#ifndef DIPTYCH_TRAIN_INITIALIZE_H_
#define DIPTYCH_TRAIN_INITIALIZE_H_

#include <cstdint>

#include "clip/model.h"

namespace diptych::train {

/// Gives a value to every parameter that has none. Draws depend on the seed and the parameter's name alone.
/// The scale starts at 1 / 0.07, or at 10 with a bias of -10 where the model has one (SigLIP).
void InitializeMissing(ClipModel& model, uint64_t seed);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_INITIALIZE_H_
