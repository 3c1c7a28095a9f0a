// The model as modules: what a checkpoint stores, what training changes, what is saved.
#ifndef DIPTYCH_CLIP_MODEL_H_
#define DIPTYCH_CLIP_MODEL_H_

#include <cstdint>
#include <memory>

#include "clip/config.h"
#include "core/status.h"
#include "image/tower.h"
#include "nn/param.h"
#include "text/tokenizer.h"
#include "text/tower.h"

namespace diptych {

struct ClipModel {
  ClipConfig config;
  std::unique_ptr<ImageTower> image;
  std::unique_ptr<TextTower> text;
  std::shared_ptr<const Tokenizer> tokenizer;
  nn::Param logit_scale{Shape{}};  // as stored: its exponential is the scale
  nn::Param logit_bias{Shape{}};   // without a value where config.has_logit_bias is false

  /// Every parameter with a value, under open_clip's names: the image tower's, the text tower's, the scale, the bias.
  void Visit(const nn::ParamVisitor& visit);
  /// Buffers such as batch-norm statistics not counted, as in PyTorch.
  int64_t parameter_count();
};

/// Towers of the configured shapes, without values.
ClipModel MakeClipModel(const ClipConfig& config);

/// Gives every parameter its value from the configuration's files, which stay mapped. Errors: a missing, extra or
/// wrongly shaped tensor by name; a scale or bias that is not finite.
Status BindWeights(ClipModel& model);

/// The tokenizer that the configuration names. Errors: its files, or one that does not fit the text tower.
Status BindTokenizer(ClipModel& model);

/// A checkpoint folder's configuration, weights and tokenizer.
Result<ClipModel> LoadClipModel(const std::string& folder);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_MODEL_H_
