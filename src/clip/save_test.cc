// A model that is saved and loaded again embeds as before, whatever the layout it came in.
#include "clip/save.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "clip/clip.h"
#include "clip/test_checkpoint.h"

namespace diptych {
namespace {

struct Embeddings {
  std::vector<float> image, text;
};

Embeddings Embed(const std::string& folder) {
  const Result<std::unique_ptr<Clip>> clip = Clip::Load(folder);
  EXPECT_TRUE(clip.ok()) << clip.status().ToString();
  if (!clip.ok()) return {};
  Context context;
  const int64_t size = (*clip)->config().preprocess.crop;
  const std::vector<float> pixels = Uniform("pixels", 3 * size * size);
  const std::vector<std::string> texts = {"a photo of a cat"};
  Embeddings result;
  result.image.resize(static_cast<size_t>((*clip)->embed_dim()));
  result.text.resize(static_cast<size_t>((*clip)->embed_dim()));
  (*clip)->EncodeImages(context, pixels.data(), 1, result.image.data());
  (*clip)->EncodeTexts(context, texts, result.text.data());
  return result;
}

class SaveTest : public testing::TestWithParam<std::tuple<const char*, Container>> {};

TEST_P(SaveTest, LoadsAgainWithTheSameEmbeddings) {
  const auto& [name, layout] = GetParam();
  const Checkpoint checkpoint(name);
  Result<ClipModel> model = LoadClipModel(checkpoint.folder());
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const std::string folder = checkpoint.folder() + "/saved";
  ASSERT_TRUE(SaveClipModel(*model, layout, folder).ok());
  const Embeddings before = Embed(checkpoint.folder()), after = Embed(folder);
  EXPECT_EQ(before.image, after.image);
  EXPECT_EQ(before.text, after.text);
  const Result<ClipConfig> config = LoadClipConfig(folder);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->container, layout);
}

INSTANTIATE_TEST_SUITE_P(Layouts, SaveTest,
                         testing::Values(std::tuple("openclip_b_gelu", Container::kOpenClip),
                                         std::tuple("openclip_b_gelu", Container::kHuggingFace),
                                         std::tuple("hf_gelu", Container::kHuggingFace),
                                         std::tuple("openclip_resnet", Container::kOpenClip)),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param);
                           return name + (std::get<1>(info.param) == Container::kOpenClip ? "_open_clip" : "_hf");
                         });

TEST(SaveLayoutTest, TransformersHasNoWordsForAResNet) {
  const Checkpoint checkpoint("openclip_resnet");
  Result<ClipModel> model = LoadClipModel(checkpoint.folder());
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const Status status = SaveClipModel(*model, Container::kHuggingFace, checkpoint.folder() + "/saved");
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_NE(status.ToString().find("has a ViT"), std::string::npos) << status.ToString();
}

TEST(SaveLayoutTest, AFullDiskLeavesWhatWasThere) {
  const Checkpoint checkpoint("openclip_b_gelu");
  Result<ClipModel> model = LoadClipModel(checkpoint.folder());
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_FALSE(SaveClipModel(*model, Container::kOpenClip, "/proc/diptych").ok());
}

}  // namespace
}  // namespace diptych
