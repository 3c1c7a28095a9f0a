// The towers that Hugging Face libraries bring to open_clip, output by output, on tiny models of timm and transformers
// (tools/golden/towers.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "clip/names.h"
#include "image/tower.h"
#include "text/tower.h"

namespace diptych {
namespace {

class Golden {
 public:
  explicit Golden(const std::string& name)
      : state_(*LoadSafetensors(std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/towers/" + name + ".safetensors")) {}

  TensorView operator[](const std::string& name) const { return state_.at(name).view; }

  void Bind(const std::string& name, nn::Param& param) {
    std::vector<nn::SharedView> parts;
    const std::vector<std::vector<std::string>> names = StoredNames(Container::kOpenClip, name);
    for (const std::string& stored : names[0]) {
      const StoredTensor& tensor = state_.at("weight/" + stored);
      parts.push_back({tensor.view, tensor.owner});
      ++used_;
    }
    param.Bind(std::move(parts));
  }

  int Unused() const {
    const auto is_weight = [](const auto& item) { return item.first.starts_with("weight/"); };
    return static_cast<int>(std::count_if(state_.begin(), state_.end(), is_weight)) - used_;
  }

 private:
  StateDict state_;
  int used_ = 0;
};

// Relative to the largest magnitude of the expected values.
void ExpectNear(const float* actual, TensorView expected, const std::string& what) {
  const float* want = expected.data<float>();
  float largest = 0, worst = 0;
  for (int64_t i = 0; i < expected.NumElements(); ++i) {
    largest = std::max(largest, std::abs(want[i]));
    worst = std::max(worst, std::abs(actual[i] - want[i]));
  }
  EXPECT_LT(worst, 2e-5f * largest) << what;
}

TEST(EfficientNet, EveryBlockEqualsTimm) {
  Golden golden("efficientnet");
  EfficientNetConfig config{.image_size = 37, .embed_dim = 10, .stem_channels = 8, .head_channels = 40};
  config.stages = {{1, 3, 1, 1, 8}, {2, 3, 2, 3, 16}, {2, 5, 2, 2, 24}};
  config.projection_bias = true;
  const std::unique_ptr<ImageTower> tower = MakeImageTower(config);
  tower->Visit([&](const std::string& name, nn::Param& param) { golden.Bind(name, param); });
  EXPECT_EQ(golden.Unused(), 0);
  const std::unique_ptr<ImageTowerPlan> plan = tower->Prepare(kernels::Precision::kF32);

  // The golden's two pictures three times: what a tower does piece by piece.
  const int64_t b = 2, times = 3;
  std::vector<std::vector<float>> hidden;
  std::vector<float*> pointers;
  for (const int64_t size : plan->info().hidden_size) pointers.push_back(hidden.emplace_back(times * b * size).data());
  std::vector<float> pooled(times * b * 10);
  std::vector<float> tokens(times * b * plan->info().token_count * plan->info().token_width);
  const TensorView two = golden["in/pixels"];
  std::vector<float> pixels;
  for (int64_t i = 0; i < times; ++i) {
    pixels.insert(pixels.end(), two.data<float>(), two.data<float>() + two.NumElements());
  }
  for (const int threads : {1, 2}) {
    Context context(threads);
    plan->Forward(context, {.pixels = pixels.data(), .batch = times * b},
                  {.pooled = pooled.data(), .tokens = tokens.data(), .hidden = pointers});
    ASSERT_EQ(hidden.size(), 5u);
    for (int64_t i = 0; i < times; ++i) {
      for (size_t k = 0; k < hidden.size(); ++k) {
        const std::string name = "out/hidden." + std::to_string(k);
        ASSERT_EQ(times * golden[name].NumElements(), static_cast<int64_t>(hidden[k].size()));
        ExpectNear(hidden[k].data() + i * golden[name].NumElements(), golden[name], name);
      }
      ExpectNear(pooled.data() + i * b * 10, golden["out/pooled"], "pooled");
    }
    const int64_t part = static_cast<int64_t>(tokens.size()) / times;
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.begin() + part, tokens.begin() + part));
  }
}

// Of all that a tower gives for some pictures: hidden states, tokens, pooled.
std::vector<std::vector<float>> OutputsOf(const ImageTowerPlan& plan, const std::vector<float>& pixels, int threads) {
  const ImageTowerInfo& info = plan.info();
  const int64_t b = static_cast<int64_t>(pixels.size()) / (3 * info.image_size * info.image_size);
  std::vector<std::vector<float>> outputs;
  std::vector<float*> hidden;
  for (const int64_t size : info.hidden_size) hidden.push_back(outputs.emplace_back(b * size).data());
  float* tokens = outputs.emplace_back(b * info.token_count * info.token_width).data();
  float* pooled = outputs.emplace_back(b * info.embed_dim).data();
  Context context(threads);
  plan.Forward(context, {.pixels = pixels.data(), .batch = b}, {.pooled = pooled, .tokens = tokens, .hidden = hidden});
  return outputs;
}

double RelativeError(const std::vector<float>& expected, const std::vector<float>& actual) {
  double squares = 0, errors = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    squares += static_cast<double>(expected[i]) * expected[i];
    errors += std::pow(static_cast<double>(actual[i]) - expected[i], 2);
  }
  return std::sqrt(errors / squares);
}

TEST(EfficientNet, NarrowMapsFollowFp32) {
  EfficientNetConfig config{.image_size = 61, .embed_dim = 10, .stem_channels = 8, .head_channels = 40};
  config.stages = {{1, 3, 1, 1, 16}, {2, 3, 2, 3, 16}, {2, 5, 2, 2, 24}};
  config.projection_bias = true;
  const std::unique_ptr<ImageTower> tower = MakeImageTower(config);
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  tower->Visit([&](const std::string& name, nn::Param& param) {
    auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
    const int64_t n = param.shape().NumElements();
    const bool norm = name.find("bn") != std::string::npos;
    const bool positive = norm && (name.ends_with("running_var") || name.ends_with("weight"));
    const float scale = std::sqrt(static_cast<float>(param.shape()[0]) / static_cast<float>(n));
    for (int64_t i = 0; i < n; ++i) {
      const float value = normal(engine);
      tensor->mutable_data<float>()[i] = positive ? 0.5f + std::abs(value) : value * scale;
    }
    param.Bind({{TensorView(*tensor), tensor}});
  });
  std::vector<float> pixels(7 * 3 * 61 * 61);
  for (float& value : pixels) value = normal(engine);
  const auto exact = OutputsOf(*tower->Prepare(kernels::Precision::kF32), pixels, 1);
  for (const kernels::Precision precision : {kernels::Precision::kBF16, kernels::Precision::kInt8}) {
    const std::unique_ptr<ImageTowerPlan> plan = tower->Prepare(precision);
    for (const int threads : {1, 3, 8}) {  // alone, pictures of their own, all on the same ones
      const auto outputs = OutputsOf(*plan, pixels, threads);
      for (size_t k = 0; k < exact.size(); ++k) {
        EXPECT_LT(RelativeError(exact[k], outputs[k]), 0.03) << NameOf(precision) << " " << threads << " output " << k;
      }
    }
  }
}

void TestBert(const std::string& name, BertConfig config) {
  Golden golden(name);
  config.context_length = 12;
  config.vocab_size = 60;
  config.max_positions = 20;
  config.width = 24;
  config.layers = 3;
  config.heads = 2;
  config.mlp_width = 40;
  config.embed_dim = 16;
  const std::unique_ptr<TextTower> tower = MakeTextTower(config);
  tower->Visit([&](const std::string& n, nn::Param& param) { golden.Bind(n, param); });
  EXPECT_EQ(golden.Unused(), 0);
  const std::unique_ptr<TextTowerPlan> plan = tower->Prepare(kernels::Precision::kF32);

  const TensorView padded = golden["in/ids"], lengths = golden["in/lengths"];
  const int64_t b = padded.shape()[0], t = padded.shape()[1], d = config.width;
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < b; ++i) {
    const int32_t* row = padded.data<int32_t>() + i * t;
    ids.insert(ids.end(), row, row + lengths.data<int32_t>()[i]);
  }
  std::vector<float> pooled(b * 16), last(ids.size() * d);
  std::vector<float*> hidden{nullptr, nullptr, last.data()};
  Context context(1);
  plan->Forward(context, {.ids = ids, .lengths = {lengths.data<int32_t>(), static_cast<size_t>(b)}},
                {.pooled = pooled.data(), .hidden = hidden});
  ExpectNear(pooled.data(), golden["out/pooled"], "pooled");

  // The reference computes rows for padding, too: only those of real tokens are comparable.
  const float* want = golden["out/hidden.2"].data<float>();
  int64_t row = 0;
  for (int64_t i = 0; i < b; ++i) {
    for (int64_t p = 0; p < lengths.data<int32_t>()[i]; ++p, ++row) {
      if (ids[static_cast<size_t>(row)] == config.pad_id) continue;
      for (int64_t k = 0; k < d; ++k) EXPECT_NEAR(last[row * d + k], want[(i * t + p) * d + k], 1e-4f);
    }
  }
}

TEST(Bert, MeanPoolingAndLinearProjectionEqualOpenClip) {
  TestBert("bert_mean_linear", {.activation = kernels::Activation::kGelu,
                                .pooling = BertPooling::kMean,
                                .projection = BertProjection::kLinear});
}

TEST(Bert, ClsPoolingAndMlpProjectionEqualOpenClip) {
  TestBert("bert_cls_mlp", {.activation = kernels::Activation::kGeluTanh,
                            .pooling = BertPooling::kCls,
                            .projection = BertProjection::kMlp});
}

}  // namespace
}  // namespace diptych
