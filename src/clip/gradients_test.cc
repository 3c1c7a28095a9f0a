// The training passes of the transformer towers against PyTorch, gradient by gradient, on tiny models with made weights
// (tools/golden/gradients.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/safetensors.h"
#include "clip/test_checkpoint.h"
#include "core/rng.h"
#include "image/tower.h"
#include "text/tower.h"

namespace diptych {
namespace {

using nn::CacheOptions;

struct Case {
  const char* name;
  std::variant<VitConfig, TransformerConfig, BertConfig> config;
};

VitConfig Vit(VitConfig config) {
  config.image_size = 13;
  config.patch_size = 4;
  config.width = 18;
  config.layers = 2;
  config.heads = 2;
  config.mlp_width = 30;
  config.embed_dim = 12;
  return config;
}

template <class Config>
Config Text(Config config) {
  config.context_length = 9;
  config.vocab_size = 40;
  config.width = 18;
  config.layers = 2;
  config.heads = 2;
  config.mlp_width = 30;
  config.embed_dim = 12;
  return config;
}

BertConfig Bert(BertConfig config) {
  config.max_positions = 11;
  return Text(config);
}

const Case kCases[] = {
    {"vit_class", Vit({})},
    {"vit_average",
     Vit({.activation = kernels::Activation::kQuickGelu, .pre_norm = false, .pooling = VitPooling::kAverage})},
    {"vit_average_norm_after", Vit({.pooling = VitPooling::kAverage, .norm_after_pool = true})},
    {"text_argmax", Text(TransformerConfig{})},
    {"text_first",
     Text(TransformerConfig{.causal = false, .pooling = TextPooling::kFirst, .projection = TextProjection::kLinear})},
    {"text_eos", Text(TransformerConfig{.activation = kernels::Activation::kQuickGelu,
                                        .pooling = TextPooling::kEos,
                                        .eos_id = 30,
                                        .projection_order = kernels::WeightOrder::kOutIn})},
    {"bert_mean_linear", Bert({})},
    {"bert_cls_mlp", Bert({.activation = kernels::Activation::kGeluTanh,
                           .pooling = BertPooling::kCls,
                           .projection = BertProjection::kMlp})},
};

void BindMade(const std::string& name, nn::Param& param) {
  auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
  const std::vector<float> values = MadeWeight(name, param.shape());
  std::copy(values.begin(), values.end(), tensor->mutable_data<float>());
  param.Bind({{tensor->view(), tensor}});
  param.Train();
}

using Gradients = std::map<std::string, std::vector<float>>;

/// A tower of either kind, its weights, its input, and what it is asked for.
class Model {
 public:
  explicit Model(const Case& made)
      : golden_(*LoadSafetensors(std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/gradients/" + made.name +
                                 ".safetensors")) {
    if (const auto* vit = std::get_if<VitConfig>(&made.config)) image_ = MakeImageTower(*vit);
    if (const auto* text = std::get_if<TransformerConfig>(&made.config)) {
      text_ = MakeTextTower(*text);
      ReadTexts(text->causal, 0);
    }
    if (const auto* bert = std::get_if<BertConfig>(&made.config)) {
      text_ = MakeTextTower(*bert);
      ReadTexts(true, bert->pad_id);
    }
    if (image_ != nullptr) image_input_ = {.pixels = Golden("in/pixels").data<float>(), .batch = 3};
    Visit(BindMade);
  }

  TensorView Golden(const std::string& name) const { return golden_.at(name).view; }
  int GoldenGradients() const {
    int count = 0;
    for (const auto& item : golden_) count += item.first.starts_with("grad/") ? 1 : 0;
    return count;
  }

  void Visit(const nn::ParamVisitor& visit) {
    if (image_ != nullptr) image_->Visit(visit);
    if (text_ != nullptr) text_->Visit(visit);
  }
  void VisitLinears(const nn::LinearVisitor& visit) {
    for (int group = 0; group < group_count(); ++group) {
      if (image_ != nullptr) image_->VisitLinears(group, visit);
      if (text_ != nullptr) text_->VisitLinears(group, visit);
    }
  }
  int group_count() const { return image_ != nullptr ? image_->group_count() : text_->group_count(); }

  std::vector<float> Forward(Context& context, nn::TowerCache* cache) {
    std::vector<float> pooled(static_cast<size_t>(Golden("out/pooled").NumElements()));
    if (image_ != nullptr) image_->Forward(context, image_input_, pooled.data(), cache);
    if (text_ != nullptr) text_->Forward(context, TextBatch(), pooled.data(), cache);
    return pooled;
  }

  std::vector<float> Infer(Context& context) {
    std::vector<float> pooled(static_cast<size_t>(Golden("out/pooled").NumElements()));
    if (image_ != nullptr) {
      image_->Prepare(Precision::kF32)->Forward(context, image_input_, {.pooled = pooled.data()});
    } else {
      text_->Prepare(Precision::kF32)->Forward(context, TextBatch(), {.pooled = pooled.data()});
    }
    return pooled;
  }

  std::unique_ptr<nn::TowerCache> MakeCache(const CacheOptions& options) const {
    return image_ != nullptr ? image_->MakeCache(options) : text_->MakeCache(options);
  }

  void Backward(Context& context, nn::TowerCache& cache, const nn::GroupDone& done) {
    const float* dpooled = Golden("in/dpooled").data<float>();
    if (image_ != nullptr) image_->Backward(context, dpooled, cache, done);
    if (text_ != nullptr) text_->Backward(context, dpooled, cache, done);
  }

  /// The gradients of one step, of the parameters that train.
  Gradients Step(Context& context, const CacheOptions& options = {}) {
    Visit([](const std::string&, nn::Param& param) { param.ZeroGrad(); });
    const Arena::Scope scope(context.arena());
    const std::unique_ptr<nn::TowerCache> cache = MakeCache(options);
    pooled_ = Forward(context, cache.get());
    done_.clear();
    Backward(context, *cache, [this](int group) { done_.push_back(group); });
    Gradients gradients;
    Visit([&](const std::string& name, nn::Param& param) {
      if (param.trains()) gradients[name].assign(param.grad(), param.grad() + param.shape().NumElements());
    });
    return gradients;
  }
  const std::vector<float>& pooled() const { return pooled_; }  // of the last step
  const std::vector<int>& done() const { return done_; }

 private:
  TextInput TextBatch() const { return {.ids = ids_, .lengths = lengths_}; }

  // Padding at the end of a text is only passed on to a tower that sees it.
  void ReadTexts(bool cut, int32_t pad_id) {
    const TensorView ids = Golden("in/ids");
    const int32_t width = static_cast<int32_t>(ids.shape()[1]);
    for (int64_t i = 0; i < ids.shape()[0]; ++i) {
      const int32_t* text = ids.data<int32_t>() + i * width;
      int32_t length = width;
      while (cut && text[length - 1] == pad_id) --length;
      ids_.insert(ids_.end(), text, text + length);
      lengths_.push_back(length);
    }
  }

  StateDict golden_;
  std::unique_ptr<ImageTower> image_;
  std::unique_ptr<TextTower> text_;
  ImageInput image_input_;
  std::vector<int32_t> ids_, lengths_;
  std::vector<float> pooled_;
  std::vector<int> done_;
};

double Dot(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{a[i]} * b[i];
  return sum;
}

// ||a - b|| / ||b||
double RelativeError(const std::vector<float>& a, const float* b) {
  std::vector<float> difference(a.size());
  for (size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return std::sqrt(Dot(difference.data(), difference.data(), a.size()) / Dot(b, b, a.size()));
}

class TowerGradients : public testing::TestWithParam<Case> {};

void ExpectEqualPyTorch(Model& model) {
  Context context(2, Mode::kTraining);
  const Gradients gradients = model.Step(context);
  EXPECT_LT(RelativeError(model.pooled(), model.Golden("out/pooled").data<float>()), 1e-5);
  EXPECT_EQ(static_cast<int>(gradients.size()), model.GoldenGradients());
  for (const auto& [name, gradient] : gradients) {
    const TensorView expected = model.Golden("grad/" + name);
    ASSERT_EQ(expected.NumElements(), static_cast<int64_t>(gradient.size())) << name;
    EXPECT_LT(RelativeError(gradient, expected.data<float>()), 1e-4) << name;
  }
}

TEST_P(TowerGradients, EqualPyTorch) {
  Model model(GetParam());
  ExpectEqualPyTorch(model);
}

/// Adapters at every layer of every block, which train alone.
void AddAdapters(Model& model) {
  model.Visit([](const std::string&, nn::Param& param) { param.Freeze(); });
  model.VisitLinears([](const std::string&, nn::Linear& linear) { linear.AddLora({.rank = 3, .alpha = 6.0f}); });
  model.Visit([](const std::string& name, nn::Param& param) {
    if (name.find("lora_") != std::string::npos) BindMade(name, param);
  });
}

TEST(Lora, GradientsEqualPyTorch) {
  Model model({"vit_lora", Vit({})});
  AddAdapters(model);
  ExpectEqualPyTorch(model);
}

TEST(Lora, StartsWithoutEffect) {
  Model model(kCases[0]);
  Context context(1);
  const std::vector<float> before = model.Forward(context, nullptr);
  std::vector<float> first;
  model.VisitLinears([&](const std::string& name, nn::Linear& linear) {
    linear.AddLora({.rank = 2, .seed = 1, .stream = StreamOf(name)});
    const std::vector<float> a = linear.lora->a.ToFloats();
    const float bound = 1.0f / std::sqrt(static_cast<float>(linear.config.in));
    const auto [low, high] = std::minmax_element(a.begin(), a.end());
    EXPECT_GT(*low, -bound);
    EXPECT_LT(*low, -0.5f * bound);
    EXPECT_GT(*high, 0.5f * bound);
    EXPECT_LT(*high, bound);
    EXPECT_NE(a, first);
    first = a;
    linear.lora->a.Train();
    linear.lora->b.Train();
  });
  EXPECT_EQ(model.Forward(context, nullptr), before);
}

TEST_P(TowerGradients, AreTheSameBitsWithRecomputationOfAdapters) {
  Model model(GetParam());
  AddAdapters(model);
  Context context(1, Mode::kTraining);
  const Gradients kept = model.Step(context);
  EXPECT_EQ(kept.size(), 16u);  // two matrices of four layers of two blocks
  EXPECT_EQ(model.Step(context, {.recompute = true}), kept);
}

TEST_P(TowerGradients, AdaptersMergeIntoPlansAndWeights) {
  Model model(GetParam());
  AddAdapters(model);
  Context context(1);
  const std::vector<float> adapted = model.Forward(context, nullptr);
  EXPECT_LT(RelativeError(model.Infer(context), adapted.data()), 1e-5);
  model.VisitLinears([](const std::string&, nn::Linear& linear) { linear.MergeLora(); });
  model.Visit([](const std::string& name, nn::Param&) { EXPECT_EQ(name.find("lora_"), std::string::npos); });
  EXPECT_LT(RelativeError(model.Forward(context, nullptr), adapted.data()), 1e-5);
}

TEST_P(TowerGradients, ForwardEqualsInference) {
  Model model(GetParam());
  Context context(1);
  EXPECT_LT(RelativeError(model.Forward(context, nullptr), model.Infer(context).data()), 1e-5);
}

TEST_P(TowerGradients, AreTheSameBitsWithRecomputationAndInEveryRun) {
  Model model(GetParam());
  Context context(2, Mode::kTraining);
  const Gradients kept = model.Step(context);
  EXPECT_EQ(model.Step(context), kept);
  EXPECT_EQ(model.Step(context, {.recompute = true}), kept);
  const std::vector<float> pooled = model.pooled();
  EXPECT_EQ(model.Forward(context, nullptr), pooled);
}

TEST_P(TowerGradients, AddUp) {
  Model model(GetParam());
  Context context(1, Mode::kTraining);
  const Gradients once = model.Step(context);
  const Arena::Scope scope(context.arena());
  const std::unique_ptr<nn::TowerCache> cache = model.MakeCache({});
  model.Forward(context, cache.get());
  model.Backward(context, *cache, {});
  model.Visit([&](const std::string& name, nn::Param& param) {
    std::vector<float> half(param.grad(), param.grad() + param.shape().NumElements());
    for (float& value : half) value /= 2;
    EXPECT_LT(RelativeError(half, once.at(name).data()), 1e-5) << name;
  });
}

TEST_P(TowerGradients, OfOneParameterAloneAreTheSameBits) {
  Model model(GetParam());
  Context context(1, Mode::kTraining);
  const Gradients all = model.Step(context);
  for (const auto& [only, expected] : all) {
    model.Visit([&, only = only](const std::string& name, nn::Param& param) {
      if (name == only) {
        param.Train();
      } else {
        param.Freeze();
      }
    });
    for (const bool recompute : {false, true}) {
      const Gradients gradients = model.Step(context, {.recompute = recompute});
      ASSERT_EQ(gradients.size(), 1u);
      EXPECT_EQ(gradients.at(only), expected) << only;
      std::vector<int> groups;
      for (int group = model.group_count(); group-- > 0;) groups.push_back(group);
      EXPECT_EQ(model.done(), groups);
    }
  }
}

TEST_P(TowerGradients, WithBFloat16PointTheSameWay) {
  Model model(GetParam());
  Context exact(1, Mode::kTraining), rounded(1, Mode::kTraining, Precision::kBF16);
  const Gradients expected = model.Step(exact), gradients = model.Step(rounded);
  EXPECT_NE(gradients, expected);
  for (const auto& [name, gradient] : gradients) {
    const float* a = gradient.data();
    const float* b = expected.at(name).data();
    const size_t n = gradient.size();
    EXPECT_GT(Dot(a, b, n) / std::sqrt(Dot(a, a, n) * Dot(b, b, n)), 0.99) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Towers, TowerGradients, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace diptych
