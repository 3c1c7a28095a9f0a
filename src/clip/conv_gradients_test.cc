// The training passes of the convolutional towers against PyTorch, gradient by gradient, on tiny models with made
// weights (tools/golden/conv_gradients.py).
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "clip/test_checkpoint.h"
#include "image/tower.h"
#include "kernels/runtime.h"

namespace diptych {
namespace {

using Values = std::map<std::string, std::vector<float>>;

constexpr int64_t kBatch = 3;

struct Case {
  const char* name;
  ImageTowerConfig config;
};

EfficientNetConfig TinyEfficientNet() {
  EfficientNetConfig config{.image_size = 37, .embed_dim = 12, .stem_channels = 8, .head_channels = 40};
  config.stages = {{2, 3, 1, 1, 8}, {2, 3, 2, 3, 16}, {2, 5, 2, 2, 24}};  // a shortcut in each, one without expansion
  config.projection_bias = true;
  return config;
}

const Case kCases[] = {
    {"resnet", ResNetConfig{.image_size = 64, .embed_dim = 12, .layers = {2, 1, 1, 2}, .width = 8, .heads = 4}},
    {"efficientnet", TinyEfficientNet()}};

// A weight as the golden script makes it.
std::vector<float> MadeConvWeight(const std::string& name, const Shape& shape) {
  const int64_t count = shape.NumElements();
  double offset = 0.0, scale = 0.3;
  if (name.ends_with("running_var")) {
    offset = 1.0;
    scale = 0.5;
  } else if (name.find("embedding") != std::string::npos) {
    scale = 0.5;
  } else if (shape.rank() >= 2) {
    scale = 1.7 / std::sqrt(static_cast<double>(count) / static_cast<double>(shape[0]));
  } else if (name.ends_with("weight")) {
    offset = 1.0;
  }
  std::vector<float> values = Uniform(name, count);
  for (float& value : values) value = static_cast<float>(offset + scale * value);
  return values;
}

void BindMade(const std::string& name, nn::Param& param) {
  auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
  const std::vector<float> values = MadeConvWeight(name, param.shape());
  std::copy(values.begin(), values.end(), tensor->mutable_data<float>());
  param.Bind({{tensor->view(), tensor}});
  param.MutableValue();
  if (param.role() == nn::Param::Role::kWeight) param.Train();
}

class Model {
 public:
  explicit Model(const Case& made) : tower(MakeImageTower(made.config)) {
    const std::string folder = std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/conv_gradients/";
    golden = *LoadSafetensors(folder + made.name + ".safetensors");
    tower->Visit(BindMade);
    const int64_t side = tower->info().image_size;
    pixels_ = Uniform("pixels", kBatch * 3 * side * side);
    dpooled_ = Uniform("dpooled", kBatch * tower->info().embed_dim);
  }

  std::vector<float> Forward(Context& context, nn::TowerCache* cache) {
    std::vector<float> pooled(dpooled_.size());
    tower->Forward(context, {.pixels = pixels_.data(), .batch = kBatch}, pooled.data(), cache);
    return pooled;
  }

  void Backward(Context& context, nn::TowerCache& cache, const nn::GroupDone& done = {}) {
    tower->Backward(context, dpooled_.data(), cache, done);
  }

  // The gradients of one step, of the parameters that train.
  Values Step(Context& context, const nn::CacheOptions& options = {}) {
    tower->Visit([](const std::string&, nn::Param& param) { param.ZeroGrad(); });
    const Arena::Scope scope(context.arena());
    const std::unique_ptr<nn::TowerCache> cache = tower->MakeCache(options);
    pooled = Forward(context, cache.get());
    done.clear();
    Backward(context, *cache, [this](int group) { done.push_back(group); });
    Values gradients;
    tower->Visit([&](const std::string& name, nn::Param& param) {
      if (param.trains()) gradients[name].assign(param.grad(), param.grad() + param.shape().NumElements());
    });
    return gradients;
  }

  Values Statistics() {
    Values all;
    tower->Visit([&](const std::string& name, nn::Param& param) {
      if (param.role() == nn::Param::Role::kBuffer) all[name] = param.ToFloats();
    });
    return all;
  }

  std::unique_ptr<ImageTower> tower;
  StateDict golden;
  std::vector<float> pooled;  // of the last step
  std::vector<int> done;

 private:
  std::vector<float> pixels_, dpooled_;
};

double Norm(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += double{value} * value;
  return std::sqrt(sum);
}

// ||a - b|| / ||b||
double RelativeError(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> difference(a.size());
  CHECK_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return Norm(difference) / Norm(b);
}

std::vector<float> Floats(TensorView view) {
  return {view.data<float>(), view.data<float>() + view.NumElements()};
}

// Of biases before a batch norm without an activation between, and of keys, which add the same to all scores of a
// query.
bool IsZero(const std::vector<float>& gradient) {
  return Norm(gradient) < 1e-12;
}

// As the golden script stores large gradients.
std::vector<float> Mixtures(const std::string& name, const std::vector<float>& gradient, int64_t rows) {
  constexpr int64_t kMixtures = 8;
  const std::vector<float> mix = Uniform("mix/" + name, kMixtures * rows);
  const int64_t width = static_cast<int64_t>(gradient.size()) / rows;
  std::vector<float> mixed;
  for (int64_t i = 0; i < kMixtures; ++i) {
    for (int64_t column = 0; column < width; ++column) {
      double sum = 0;
      for (int64_t row = 0; row < rows; ++row) sum += double{mix[i * rows + row]} * gradient[row * width + column];
      mixed.push_back(static_cast<float>(sum));
    }
  }
  return mixed;
}

class ConvTowerGradients : public testing::TestWithParam<Case> {};

TEST_P(ConvTowerGradients, EqualPyTorch) {
  Model model(GetParam());
  Context context(2, Mode::kTraining);
  const Values gradients = model.Step(context);
  EXPECT_LT(RelativeError(model.pooled, Floats(model.golden.at("out/pooled").view)), 1e-5);
  size_t checked = 1;
  model.tower->Visit([&](const std::string& name, nn::Param& param) {
    ++checked;
    if (param.role() == nn::Param::Role::kBuffer) {
      EXPECT_LT(RelativeError(param.ToFloats(), Floats(model.golden.at("stat/" + name).view)), 1e-6) << name;
      return;
    }
    std::vector<float> gradient = gradients.at(name);
    const auto whole = model.golden.find("grad/" + name);
    const bool mixed = whole == model.golden.end();
    if (mixed) gradient = Mixtures(name, gradient, param.shape()[0]);
    const std::vector<float> expected = Floats(mixed ? model.golden.at("mixed/" + name).view : whole->second.view);
    if (IsZero(expected)) {  // ours is what rounding leaves
      const std::string weight = name.substr(0, name.size() - std::string("bias").size()) + "weight";
      EXPECT_LT(Norm(gradient), 1e-5 * Norm(gradients.at(weight))) << name;
    } else {
      EXPECT_LT(RelativeError(gradient, expected), 1e-4) << name;
    }
  });
  EXPECT_EQ(checked, model.golden.size());
}

TEST_P(ConvTowerGradients, AreTheSameBitsWithRecomputationAndInEveryRun) {
  Model model(GetParam());
  Context context(2, Mode::kTraining);
  const Values kept = model.Step(context);
  EXPECT_EQ(model.Step(context), kept);
  EXPECT_EQ(model.Step(context, {.recompute = true}), kept);
  const std::vector<float> pooled = model.pooled;
  EXPECT_EQ(model.Forward(context, nullptr), pooled);
}

TEST_P(ConvTowerGradients, RunningStatisticsMoveOnceAStep) {
  Values moved[2];
  for (const bool recompute : {false, true}) {
    Model model(GetParam());
    Context context(1, Mode::kTraining);
    const Values start = model.Statistics();
    model.Forward(context, nullptr);
    EXPECT_EQ(model.Statistics(), start);
    model.tower->Visit([](const std::string&, nn::Param& param) { param.Freeze(); });
    model.Step(context, {.recompute = recompute});  // in frozen layers, too
    moved[recompute] = model.Statistics();
    for (const auto& [name, before] : start) EXPECT_NE(moved[recompute].at(name), before) << name;
  }
  EXPECT_EQ(moved[0], moved[1]);
}

TEST_P(ConvTowerGradients, AddUp) {
  Model model(GetParam());
  Context context(1, Mode::kTraining);
  const Values once = model.Step(context);
  const Arena::Scope scope(context.arena());
  const std::unique_ptr<nn::TowerCache> cache = model.tower->MakeCache({});
  model.Forward(context, cache.get());
  model.Backward(context, *cache);
  model.tower->Visit([&](const std::string& name, nn::Param& param) {
    if (!param.trains() || Norm(once.at(name)) < 1e-4) return;  // rounding alone
    std::vector<float> half(param.grad(), param.grad() + param.shape().NumElements());
    for (float& value : half) value /= 2;
    EXPECT_LT(RelativeError(half, once.at(name)), 1e-5) << name;
  });
}

TEST_P(ConvTowerGradients, OfOneParameterAloneAreTheSameBits) {
  Model model(GetParam());
  Context context(1, Mode::kTraining);
  const Values all = model.Step(context);
  std::vector<int> groups;
  for (int group = model.tower->group_count(); group-- > 0;) groups.push_back(group);
  for (const auto& [only, expected] : all) {
    model.tower->Visit([&, only = only](const std::string& name, nn::Param& param) {
      param.Freeze();
      if (name == only) param.Train();
    });
    for (const bool recompute : {false, true}) {
      const Values gradients = model.Step(context, {.recompute = recompute});
      ASSERT_EQ(gradients.size(), 1u);
      EXPECT_EQ(gradients.at(only), expected) << only;
      EXPECT_EQ(model.done, groups);
    }
  }
}

TEST_P(ConvTowerGradients, NothingInUseIsAReferenceImplementation) {
  Model model(GetParam());
  Context context(2, Mode::kTraining);
  model.Step(context);
  for (const std::string& name : kernels::ImplementationsInUse()) EXPECT_NE(name.substr(0, 3), "ref") << name;
}

INSTANTIATE_TEST_SUITE_P(Towers, ConvTowerGradients, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace diptych
