// The model that a run starts from: shapes by name, values from checkpoints, the rest drawn.
#ifndef DIPTYCH_TRAIN_BUILD_H_
#define DIPTYCH_TRAIN_BUILD_H_

#include <cstdint>
#include <memory>
#include <string>

#include "clip/model.h"
#include "core/status.h"

namespace diptych::train {

struct BuildOptions {
  /// A tower's shape (ParseImageTower, ParseTextTower) or the checkpoint that gives shape and values, not both.
  std::string image_tower, text_tower;
  std::string init_image, init_text;  // models by name or folder
  int image_size = 0;                 // 0: the checkpoint's, the configuration's, or 224
  int embed_dim = 0;                  // 0: the checkpoint's or the configuration's
  bool logit_bias = false;            // SigLIP style; a checkpoint's own bias stays in any case
  uint64_t seed = 0;
};

/// Both towers from one checkpoint: that model, its scale included. Otherwise the towers are put together; a projection
/// whose shape no longer fits the joint space (another embed_dim) is drawn anew. Errors name the option.
Result<std::shared_ptr<ClipModel>> BuildModel(const BuildOptions& options);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_BUILD_H_
