#include "train/initialize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "train/build.h"

namespace diptych::train {
namespace {

struct Moments {
  double mean = 0, deviation = 0;
};

// Of every tensor of both towers, by name.
std::map<std::string, Moments> FirstWeights(const std::string& image_tower) {
  const auto model = BuildModel({.image_tower = image_tower,
                                 .text_tower = "transformer:2,64,2",
                                 .image_size = 64,
                                 .embed_dim = 64,
                                 .seed = 1});
  std::map<std::string, Moments> all;
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  if (!model.ok()) return all;
  const nn::ParamVisitor add = [&](const std::string& name, nn::Param& param) {
    const std::vector<float> x = param.ToFloats();
    double sum = 0, squares = 0;
    for (const float value : x) sum += value;
    const double n = static_cast<double>(x.size()), mean = sum / n;
    for (const float value : x) squares += (value - mean) * (value - mean);
    all[name] = {mean, std::sqrt(squares / n)};
  };
  (*model)->image->Visit(add);
  (*model)->text->Visit(add);
  return all;
}

void ExpectNormal(const Moments& moments, double deviation) {
  EXPECT_NEAR(moments.mean, 0, 0.1 * deviation);
  EXPECT_NEAR(moments.deviation, deviation, 0.1 * deviation);
}

// The expected deviations are those of open_clip's init_parameters.
TEST(Initialize, TransformersAsOpenClip) {
  std::map<std::string, Moments> first = FirstWeights("vit:2,64,2,p16");
  const double width = 1 / std::sqrt(64.0), layers = 1 / std::sqrt(2 * 2.0);
  ExpectNormal(first["token_embedding.weight"], 0.02);
  ExpectNormal(first["positional_embedding"], 0.01);
  ExpectNormal(first["transformer.resblocks.0.attn.in_proj_weight"], width);
  ExpectNormal(first["transformer.resblocks.1.attn.out_proj.weight"], width * layers);
  ExpectNormal(first["transformer.resblocks.1.mlp.c_fc.weight"], 1 / std::sqrt(2 * 64.0));
  ExpectNormal(first["transformer.resblocks.1.mlp.c_proj.weight"], width * layers);
  ExpectNormal(first["visual.positional_embedding"], width);
  EXPECT_EQ(first["visual.ln_pre.weight"].mean, 1);
}

TEST(Initialize, BlocksOfAResNetStartAsTheirShortcutsButItsStemDoesNot) {
  std::map<std::string, Moments> first = FirstWeights("resnet:1,1,1,1,w16");
  EXPECT_EQ(first["visual.bn3.weight"].mean, 1);
  for (const char* layer : {"1", "2", "3", "4"}) {
    const std::string prefix = std::string("visual.layer") + layer + ".0.";
    EXPECT_EQ(first[prefix + "bn3.weight"].mean, 0) << prefix;
    EXPECT_EQ(first[prefix + "bn2.weight"].mean, 1) << prefix;
    EXPECT_EQ(first[prefix + "bn3.running_var"].mean, 1) << prefix;
  }
  ExpectNormal(first["visual.attnpool.k_proj.weight"], 1 / std::sqrt(512.0));
  const double conv = 1 / std::sqrt(3 * 128 * 9.0);  // uniform in +-sqrt(1 / fan-in)
  EXPECT_NEAR(first["visual.layer4.0.conv2.weight"].deviation, conv, 0.1 * conv);
}

}  // namespace
}  // namespace diptych::train
