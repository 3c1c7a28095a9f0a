#include "train/ema.h"

#include <gtest/gtest.h>

#include "train/test_util.h"

namespace diptych::train {
namespace {

TEST(Ema, SwapsInAndOut) {
  SmallModel small;
  Ema ema({}, small.model);
  const auto start = ValuesOf(small.model);
  small.model.Visit([](const std::string&, nn::Param& param, const TrainedModel::Place&) {
    float* values = param.MutableValue().mutable_data<float>();
    for (int64_t i = 0; i < param.shape().NumElements(); ++i) values[i] += 11.0f;
  });
  const auto moved = ValuesOf(small.model);
  Context context(1);
  ema.Update(context);
  ema.Swap();
  for (const auto& [name, values] : ValuesOf(small.model)) {
    // Warming up, the first decay is 2 / 11.
    for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], start.at(name)[i] + 9.0f, 1e-5) << name;
  }
  ema.Swap();
  EXPECT_EQ(ValuesOf(small.model), moved);
}

TEST(Ema, HoldsWhatMoves) {
  ImageParams image{{{{"visual.conv1.weight", {2, 2}}, {"visual.bn1.running_mean", {2}}}, {{"visual.proj", {2}}}}};
  image.Visit([](const std::string&, nn::Param& param) { param.MutableValue(); });
  const TrainedModel model{.image = &image};
  const auto names_of = [&] {
    std::vector<std::string> names;
    Ema({}, model).Visit([&](const std::string& name, MutableTensorView) { names.push_back(name); });
    return names;
  };
  EXPECT_EQ(names_of(), std::vector<std::string>());  // locked, its statistics too
  image.VisitGroup(1, [](const std::string&, nn::Param& param) { param.Train(); });
  EXPECT_EQ(names_of(), (std::vector<std::string>{"visual.bn1.running_mean", "visual.proj"}));
}

}  // namespace
}  // namespace diptych::train
