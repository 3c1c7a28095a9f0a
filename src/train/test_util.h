// Golden values and a model without arithmetic for the tests of train/.
#ifndef DIPTYCH_TRAIN_TEST_UTIL_H_
#define DIPTYCH_TRAIN_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.h"
#include "train/trained_model.h"

namespace diptych::train {

/// A file of tests/golden.
class Golden {
 public:
  explicit Golden(const std::string& path)
      : state_(*LoadSafetensors(std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/" + path)) {}

  TensorView operator[](const std::string& name) const {
    CHECK(state_.contains(name)) << " " << name;
    return state_.at(name).view;
  }
  const float* Floats(const std::string& name) const { return (*this)[name].data<float>(); }

 private:
  StateDict state_;
};

/// The largest |actual - expected|, infinity for NaN.
inline double LargestError(const float* actual, TensorView expected) {
  double worst = 0;
  for (int64_t i = 0; i < expected.NumElements(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected.data<float>()[i]));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

/// Parameters by group, and nothing that computes.
template <class Tower, class Plan, class Input>
class TowerOfParams : public Tower {
 public:
  using Group = std::vector<std::pair<std::string, Shape>>;
  explicit TowerOfParams(const std::vector<Group>& groups) {
    for (const Group& group : groups) {
      groups_.emplace_back();
      for (const auto& [name, shape] : group) {
        const bool is_buffer = name.find("running_") != std::string::npos;
        groups_.back().emplace_back(
            name, std::make_unique<nn::Param>(shape, is_buffer ? nn::Param::Role::kBuffer : nn::Param::Role::kWeight));
      }
    }
  }
  const decltype(std::declval<Tower>().info())& info() const override { return info_; }
  int group_count() const override { return static_cast<int>(groups_.size()); }
  void VisitGroup(int group, const nn::ParamVisitor& visit) override {
    for (auto& [name, param] : groups_[static_cast<size_t>(group)]) visit(name, *param);
  }
  void VisitLinears(int, const nn::LinearVisitor&) override {}
  std::unique_ptr<Plan> Prepare(kernels::Precision) const override { return nullptr; }
  void Forward(Context&, const Input&, float*, nn::TowerCache*) override {}
  void Backward(Context&, const float*, nn::TowerCache&, const nn::GroupDone&) override {}
  std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions&) const override { return nullptr; }

 private:
  std::remove_cvref_t<decltype(std::declval<Tower>().info())> info_;
  std::vector<std::vector<std::pair<std::string, std::unique_ptr<nn::Param>>>> groups_;
};

/// Every parameter's value by name.
inline std::map<std::string, std::vector<float>> ValuesOf(const TrainedModel& model) {
  std::map<std::string, std::vector<float>> values;
  model.Visit(
      [&](const std::string& name, nn::Param& param, const TrainedModel::Place&) { values[name] = param.ToFloats(); });
  return values;
}

using ImageParams = TowerOfParams<ImageTower, ImageTowerPlan, ImageInput>;
using TextParams = TowerOfParams<TextTower, TextTowerPlan, TextInput>;

/// The parameters of tools/golden/optimizer.py, with their starting values; all of them train.
struct SmallModel {
  ImageParams image{
      {{{"visual.conv1.weight", {6, 3, 2, 2}}}, {{"visual.ln_pre.weight", {19}}}, {{"visual.proj", {19, 7}}}}};
  TextParams text{{{{"positional_embedding", {5, 8}}},
                   {{"transformer.resblocks.0.attn.in_proj_bias", {24}}},
                   {{"text_projection", {8, 7}}}}};
  nn::Param logit_scale{Shape{}};
  TrainedModel model{.image = &image, .text = &text, .logit_scale = &logit_scale};
  Golden golden{"optimizer/optimizer.safetensors"};

  SmallModel() {
    model.Visit([&](const std::string& name, nn::Param& param, const TrainedModel::Place&) {
      std::copy_n(golden.Floats("start/" + name), param.shape().NumElements(),
                  param.MutableValue().mutable_data<float>());
      param.Train();
    });
  }
  void SetGradients(int step) {
    model.Visit([&](const std::string& name, nn::Param& param, const TrainedModel::Place&) {
      if (!param.trains()) return;
      const float* gradient = golden.Floats("gradient/" + std::to_string(step) + "/" + name);
      for (int64_t i = 0; i < param.shape().NumElements(); ++i) param.grad()[i] += gradient[i];
    });
  }
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_TEST_UTIL_H_
