#include "train/initialize.h"

#include <cmath>
#include <string>
#include <string_view>

#include "core/rng.h"

namespace diptych::train {
namespace {

// How one parameter starts.
struct Rule {
  enum class Kind : uint8_t { kConstant, kNormal, kUniform } kind = Kind::kConstant;
  double value = 0;  // the constant, the standard deviation, or the bound of a uniform draw
};
Rule Constant(double value) {
  return {Rule::Kind::kConstant, value};
}
Rule Normal(double deviation) {
  return {Rule::Kind::kNormal, deviation};
}
Rule Uniform(double bound) {
  return {Rule::Kind::kUniform, bound};
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Inputs of one output of a linear layer or convolution.
double FanIn(const Shape& shape) {
  return static_cast<double>(shape.NumElements()) / static_cast<double>(shape[0]);
}

// torch's default of Linear and Conv2d: kaiming_uniform_(a = sqrt(5)).
Rule TorchDefault(double fan_in) {
  return Uniform(1.0 / std::sqrt(fan_in));
}

// Linear layers of torch draw their biases within 1 / sqrt(fan_in), those of nn.MultiheadAttention start at zero.
// The fan-in of a bias is that of the weight visited before it.
struct Visited {
  double fan_in = 1;
};

Rule TextTransformerRule(const std::string& name, const Shape& shape, const TransformerConfig& config,
                         const Visited& before) {
  const double width = config.width, depth = std::pow(2.0 * config.layers, -0.5);
  if (name == "token_embedding.weight") return Normal(0.02);
  if (name == "positional_embedding") return Normal(0.01);
  if (name == "text_projection" || name == "text_projection.weight") return Normal(std::pow(width, -0.5));
  if (name == "text_projection.bias") return Constant(0);
  if (name.ends_with("attn.in_proj_weight")) return Normal(std::pow(width, -0.5));
  if (name.ends_with("attn.out_proj.weight") || name.ends_with("mlp.c_proj.weight")) {
    return Normal(std::pow(width, -0.5) * depth);
  }
  if (name.ends_with("mlp.c_fc.weight")) return Normal(std::pow(2 * width, -0.5));
  if (Contains(name, ".mlp.")) return TorchDefault(before.fan_in);  // the biases
  if (Contains(name, "attn.")) return Constant(0);
  return Constant(shape.rank() == 1 && name.ends_with("weight") ? 1 : 0);  // layer norms
}

Rule BertRule(const std::string& name, const BertConfig& config) {
  (void)config;
  if (name.starts_with("text.proj.")) return Normal(0.02);
  if (Contains(name, "LayerNorm")) return Constant(name.ends_with("weight") ? 1 : 0);
  return name.ends_with("bias") ? Constant(0) : Normal(0.02);
}

Rule VitRule(const std::string& name, const Shape& shape, const VitConfig& config, const Visited& before) {
  const double width = config.width;
  if (name == "visual.class_embedding" || name == "visual.positional_embedding" || name == "visual.proj") {
    return Normal(std::pow(width, -0.5));
  }
  if (name == "visual.conv1.weight") return TorchDefault(FanIn(shape));
  if (name.ends_with("attn.in_proj_weight")) return Uniform(std::sqrt(6.0 / (width + 3 * width)));  // xavier_uniform_
  if (Contains(name, "attn.") && name.ends_with("bias")) return Constant(0);
  if (Contains(name, "attn.out_proj.")) return TorchDefault(FanIn(shape));
  if (Contains(name, ".mlp.")) return TorchDefault(name.ends_with("weight") ? FanIn(shape) : before.fan_in);
  return Constant(name.ends_with("weight") ? 1 : 0);  // layer norms
}

Rule EfficientNetRule(const std::string& name, const Shape& shape, const Visited& before) {
  if (name.starts_with("visual.head.proj.")) {
    return TorchDefault(name.ends_with("weight") ? FanIn(shape) : before.fan_in);
  }
  if (shape.rank() == 4) {  // normal, by the fan-out of a group, which is 1 channel where the weight has one
    const double groups = shape[1] == 1 && shape[0] > 1 ? static_cast<double>(shape[0]) : 1.0;
    return Normal(std::sqrt(2.0 * groups / static_cast<double>(shape[2] * shape[3] * shape[0])));
  }
  return Constant(name.ends_with("weight") || name.ends_with("running_var") ? 1 : 0);  // batch norms
}

Rule ResNetRule(const std::string& name, const Shape& shape, const Visited& before) {
  if (name == "visual.attnpool.positional_embedding") return Normal(std::pow(static_cast<double>(shape[1]), -0.5));
  if (Contains(name, "attnpool.")) {
    return name.ends_with("weight") ? Normal(std::pow(FanIn(shape), -0.5)) : TorchDefault(before.fan_in);
  }
  if (shape.rank() == 4) return TorchDefault(FanIn(shape));
  // Each block starts as its shortcut. The stem has a bn3 too, and no shortcut.
  if (Contains(name, ".layer") && name.ends_with("bn3.weight")) return Constant(0);
  return Constant(name.ends_with("weight") || name.ends_with("running_var") ? 1 : 0);  // batch norms
}

void Fill(const Rule& rule, uint64_t seed, const std::string& name, nn::Param& param) {
  auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
  float* x = tensor->mutable_data<float>();
  Rng rng(seed, StreamOf(name));
  for (int64_t i = 0; i < param.shape().NumElements(); ++i) {
    switch (rule.kind) {
      case Rule::Kind::kConstant: x[i] = static_cast<float>(rule.value); break;
      case Rule::Kind::kNormal: x[i] = static_cast<float>(rule.value) * rng.Normal(); break;
      case Rule::Kind::kUniform: x[i] = static_cast<float>(rng.Uniform(-rule.value, rule.value)); break;
    }
  }
  param.Bind({{tensor->view(), tensor}});
}

struct ImageRule {
  const std::string& name;
  const Shape& shape;
  const Visited& before;
  Rule operator()(const VitConfig& config) const { return VitRule(name, shape, config, before); }
  Rule operator()(const EfficientNetConfig&) const { return EfficientNetRule(name, shape, before); }
  Rule operator()(const ResNetConfig&) const { return ResNetRule(name, shape, before); }
};
struct TextRule {
  const std::string& name;
  const Shape& shape;
  const Visited& before;
  Rule operator()(const TransformerConfig& config) const { return TextTransformerRule(name, shape, config, before); }
  Rule operator()(const BertConfig& config) const { return BertRule(name, config); }
};

}  // namespace

void InitializeMissing(ClipModel& model, uint64_t seed) {
  Visited before;
  model.Visit([&](const std::string& name, nn::Param& param) {
    if (!param.has_value()) {
      Rule rule;
      if (name == "logit_scale") {
        rule = Constant(model.config.has_logit_bias ? std::log(10.0) : std::log(1 / 0.07));
      } else if (name == "logit_bias") {
        rule = Constant(-10);
      } else if (name.starts_with("visual.")) {
        rule = std::visit(ImageRule{name, param.shape(), before}, model.config.image);
      } else {
        rule = std::visit(TextRule{name, param.shape(), before}, model.config.text);
      }
      Fill(rule, seed, name, param);
    }
    if (param.shape().rank() >= 2) before.fan_in = FanIn(param.shape());
  });
}

}  // namespace diptych::train
