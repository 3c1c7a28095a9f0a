// Whole models against open_clip and transformers (tools/golden/clip.py): the configuration, names, towers, tokenizer,
// scale. Weights are made by the same hash as there, so that only the answers are kept in git.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "clip/clip.h"
#include "clip/test_checkpoint.h"

namespace diptych {
namespace {

double Cosine(const float* a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < b.size(); ++i) ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  return ab / std::sqrt(aa * bb);
}

class ClipGolden : public testing::TestWithParam<const char*> {};

TEST_P(ClipGolden, EqualsTheReference) {
  const Checkpoint checkpoint(GetParam());
  const Json& golden = checkpoint.golden();
  Result<std::unique_ptr<Clip>> loaded = Clip::Load(checkpoint.folder());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Clip& clip = **loaded;
  const int64_t e = clip.embed_dim();
  const auto texts = golden["texts"].get<std::vector<std::string>>();
  const int64_t n = static_cast<int64_t>(texts.size());
  if (golden.contains("ids")) {
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(clip.tokenizer().Encode(texts[i]), golden["ids"][i].get<std::vector<int32_t>>()) << texts[i];
    }
  }

  Context context(2);
  const int64_t side = clip.image_plan().info().image_size;
  std::vector<float> pixels = Uniform("pixels", 2 * 3 * side * side);
  for (float& value : pixels) value *= 2.0f;
  std::vector<float> images(static_cast<size_t>(2 * e)), words(static_cast<size_t>(n * e));
  clip.EncodeImages(context, pixels.data(), 2, images.data());
  clip.EncodeTexts(context, texts, words.data());
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_GT(Cosine(&images[i * e], golden["image_embeddings"][i].get<std::vector<float>>()), 0.99999) << i;
  }
  for (int64_t i = 0; i < n; ++i) {
    EXPECT_GT(Cosine(&words[i * e], golden["text_embeddings"][i].get<std::vector<float>>()), 0.99999) << texts[i];
  }
  std::vector<float> logits(static_cast<size_t>(2 * n));
  clip.Logits(images.data(), 2, words.data(), n, logits.data());
  for (int64_t i = 0; i < 2; ++i) {
    const auto expected = golden["logits_per_image"][i].get<std::vector<float>>();
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::abs(value));
    for (int64_t j = 0; j < n; ++j) EXPECT_NEAR(logits[i * n + j], expected[j], 1e-3f * largest) << i << " " << j;
  }
}

TEST_P(ClipGolden, RowsDoNotDependOnThreadsOrNeighbours) {
  const Checkpoint checkpoint(GetParam());
  const std::unique_ptr<Clip> clip = std::move(*Clip::Load(checkpoint.folder()));
  const size_t e = static_cast<size_t>(clip->embed_dim());
  const auto texts = checkpoint.golden()["texts"].get<std::vector<std::string>>();
  Context one(1), two(2);
  std::vector<float> together(texts.size() * e), alone(e);
  clip->EncodeTexts(two, texts, together.data());
  for (size_t i = 0; i < texts.size(); ++i) {
    clip->EncodeTexts(one, {&texts[i], 1}, alone.data());
    for (size_t k = 0; k < e; ++k) EXPECT_NEAR(alone[k], together[i * e + k], 2e-6f) << texts[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ClipGolden,
                         testing::Values("openclip_b_gelu", "openclip_b_quickgelu", "openclip_so400m_head72",
                                         "openclip_h_head80", "openclip_g_head88", "openclip_bigg_head104",
                                         "openclip_custom_text", "openclip_average_pool", "openclip_resnet",
                                         "hf_legacy_eos", "hf_gelu", "hf_sharded_bf16"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace diptych
