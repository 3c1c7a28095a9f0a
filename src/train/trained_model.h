// What training changes: two towers and the scale of their similarity.
#ifndef DIPTYCH_TRAIN_TRAINED_MODEL_H_
#define DIPTYCH_TRAIN_TRAINED_MODEL_H_

#include <functional>
#include <string>

#include "image/tower.h"
#include "nn/param.h"
#include "text/tower.h"

namespace diptych::train {

/// Views; the owner outlives them. Parameters that do not train (nn::Param::trains()) belong to it all the same.
struct TrainedModel {
  ImageTower* image = nullptr;
  TextTower* text = nullptr;
  nn::Param* logit_scale = nullptr;  // its logarithm, as every container stores it
  nn::Param* logit_bias = nullptr;   // null: the model has none

  enum class Part : uint8_t { kImage, kText, kHead };
  /// Where a parameter stands: `depth` of its tower's group from the top, 0 for what comes after the blocks.
  struct Place {
    Part part = Part::kHead;
    int depth = 0;
  };
  using Visitor = std::function<void(const std::string& name, nn::Param& param, const Place& place)>;

  /// Every parameter, always in the same order: the image tower's and the text tower's groups, then "logit_scale" and
  /// "logit_bias".
  void Visit(const Visitor& visit) const;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_TRAINED_MODEL_H_
