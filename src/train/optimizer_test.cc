#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "train/ema.h"
#include "train/schedule.h"
#include "train/test_util.h"

namespace diptych::train {
namespace {

using Place = TrainedModel::Place;

constexpr OptimizerOptions kGoldenOptions{.clip_norm = 4.0};
constexpr Schedule kGoldenSchedule{.rate = 0.02, .warmup = 3, .steps = 10};

TEST(Optimizer, TenStepsAndTheirAverageEqualTorch) {
  SmallModel small;
  Optimizer optimizer(kGoldenOptions, small.model);
  Ema ema({.decay = 0.9, .warmup = false}, small.model);
  Context context(2);
  for (int step = 0; step < 10; ++step) {
    small.SetGradients(step);
    const Optimizer::StepInfo info = optimizer.Step(context, kGoldenSchedule.RateAt(step));
    ema.Update(context);
    EXPECT_TRUE(info.updated);
    EXPECT_NEAR(info.gradient_norm, small.golden.Floats("norm")[step], 1e-5);
    const std::string prefix = std::to_string(step) + "/";
    small.model.Visit([&](const std::string& name, nn::Param& param, const Place&) {
      EXPECT_LT(LargestError(param.floats(), small.golden["weight/" + prefix + name]), 1e-6) << step << " " << name;
    });
    ema.Visit([&](const std::string& name, MutableTensorView average) {
      EXPECT_LT(LargestError(average.data<float>(), small.golden["ema/" + prefix + name]), 1e-6) << step << " " << name;
    });
  }
  EXPECT_EQ(small.logit_scale.Scalar(), std::log(100.0f));  // its gradients pushed it there
}

TEST(Optimizer, GoesOnFromItsMoments) {
  SmallModel whole;
  Optimizer uninterrupted(kGoldenOptions, whole.model);
  Context context(1);
  for (int step = 0; step < 6; ++step) {
    whole.SetGradients(step);
    uninterrupted.Step(context, 0.01);
  }

  SmallModel first, second;
  Optimizer before(kGoldenOptions, first.model), after(kGoldenOptions, second.model);
  for (int step = 0; step < 3; ++step) {
    first.SetGradients(step);
    before.Step(context, 0.01);
  }
  const auto weights = ValuesOf(first.model);
  second.model.Visit([&](const std::string& name, nn::Param& param, const Place&) {
    std::copy(weights.at(name).begin(), weights.at(name).end(), param.MutableValue().mutable_data<float>());
  });
  std::map<std::string, MutableTensorView> moments;
  before.Visit([&](const std::string& name, MutableTensorView moment) { moments[name] = moment; });
  EXPECT_EQ(moments.size(), 14u);
  after.Visit([&](const std::string& name, MutableTensorView moment) {
    std::copy_n(moments.at(name).data<float>(), moment.NumElements(), moment.mutable_data<float>());
  });
  after.set_steps(before.steps());
  for (int step = 3; step < 6; ++step) {
    second.SetGradients(step);
    after.Step(context, 0.01);
  }
  EXPECT_EQ(ValuesOf(whole.model), ValuesOf(second.model));
}

TEST(Optimizer, ChangesNothingWhereTheNormIsNotFinite) {
  SmallModel small;
  Optimizer optimizer(kGoldenOptions, small.model);
  const auto before = ValuesOf(small.model);
  Context context(1);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    small.SetGradients(0);
    small.logit_scale.grad()[0] = bad;
    const Optimizer::StepInfo info = optimizer.Step(context, 0.1);
    EXPECT_FALSE(info.updated);
    EXPECT_FALSE(std::isfinite(info.gradient_norm));
    EXPECT_EQ(optimizer.steps(), 0);
    EXPECT_EQ(ValuesOf(small.model), before);
  }
}

TEST(Optimizer, FrozenParametersStayAndHaveNoMoments) {
  SmallModel small;
  small.image.Visit([](const std::string&, nn::Param& param) { param.Freeze(); });
  small.logit_scale.Freeze();
  Optimizer optimizer({}, small.model);
  const auto before = ValuesOf(small.model);
  small.SetGradients(0);
  Context context(1);
  optimizer.Step(context, 0.1);
  for (const auto& [name, values] : ValuesOf(small.model)) {
    const bool is_text = !name.starts_with("visual.") && name != "logit_scale";
    EXPECT_EQ(values != before.at(name), is_text) << name;
  }
  int moments = 0;
  optimizer.Visit([&](const std::string&, MutableTensorView) { ++moments; });
  EXPECT_EQ(moments, 6);
}

// AdamW's first step moves a weight without decay by the rate, whatever its gradient.
TEST(Optimizer, RatesByTowerAndDepth) {
  SmallModel small;
  OptimizerOptions options{.eps = 0, .weight_decay = 0};
  options.image_rate = 0.5;
  options.image_layer_decay = 0.1;
  options.text_layer_decay = 0.5;
  options.head_rate = 0.25;
  Optimizer optimizer(options, small.model);
  small.logit_scale.MutableValue().mutable_data<float>()[0] = 2;  // away from its bounds
  const auto before = ValuesOf(small.model);
  small.SetGradients(0);
  Context context(1);
  optimizer.Step(context, 0.1);
  const std::map<std::string, double> expected = {
      {"visual.conv1.weight", 0.0005},
      {"visual.ln_pre.weight", 0.005},
      {"visual.proj", 0.05},
      {"positional_embedding", 0.025},
      {"transformer.resblocks.0.attn.in_proj_bias", 0.05},
      {"text_projection", 0.1},
      {"logit_scale", 0.025},
  };
  for (const auto& [name, values] : ValuesOf(small.model)) {
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(std::abs(values[i] - before.at(name)[i]), expected.at(name), 1e-6) << name;
    }
  }
}

TEST(Optimizer, DecayFollowsOpenClip) {
  EXPECT_TRUE(IsExemptFromDecay("logit_scale", Shape{}));
  EXPECT_TRUE(IsExemptFromDecay("visual.class_embedding", Shape{8}));
  EXPECT_TRUE(IsExemptFromDecay("text.transformer.encoder.layer.0.relative_attention_bias.weight", Shape{8, 2}));
  EXPECT_TRUE(IsExemptFromDecay("visual.bn1.anything", Shape{8, 2}));
  EXPECT_TRUE(IsExemptFromDecay("transformer.ln_fancy", Shape{8, 2}));
  EXPECT_FALSE(IsExemptFromDecay("token_embedding.weight", Shape{8, 2}));
  EXPECT_FALSE(IsExemptFromDecay("positional_embedding", Shape{8, 2}));
  EXPECT_FALSE(IsExemptFromDecay("visual.proj", Shape{8, 2}));
}

}  // namespace
}  // namespace diptych::train
