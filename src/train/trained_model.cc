#include "train/trained_model.h"

namespace diptych::train {
namespace {

template <class Tower>
void VisitTower(Tower& tower, TrainedModel::Part part, const TrainedModel::Visitor& visit) {
  const int groups = tower.group_count();
  for (int group = 0; group < groups; ++group) {
    const TrainedModel::Place place{.part = part, .depth = groups - 1 - group};
    tower.VisitGroup(group, [&](const std::string& name, nn::Param& param) { visit(name, param, place); });
  }
}

}  // namespace

void TrainedModel::Visit(const Visitor& visit) const {
  if (image != nullptr) VisitTower(*image, Part::kImage, visit);
  if (text != nullptr) VisitTower(*text, Part::kText, visit);
  if (logit_scale != nullptr) visit("logit_scale", *logit_scale, Place{});
  if (logit_bias != nullptr) visit("logit_bias", *logit_bias, Place{});
}

}  // namespace diptych::train
