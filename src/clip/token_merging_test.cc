// Token merging against an implementation of the paper in PyTorch (tools/golden/token_merging.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "clip/clip.h"
#include "clip/test_checkpoint.h"

namespace diptych {
namespace {

std::vector<float> Pixels(const Json& golden) {
  const int64_t side = golden["image_size"].get<int64_t>();
  std::vector<float> pixels = Uniform("pixels", 2 * 3 * side * side);
  for (float& value : pixels) value *= 2.0f;
  return pixels;
}

std::vector<float> Embed(const Checkpoint& checkpoint, const LoadOptions& options) {
  const auto clip = Clip::Load(checkpoint.folder(), options);
  CHECK(clip.ok()) << clip.status().ToString();
  Context context(2);
  std::vector<float> rows(static_cast<size_t>(2 * (*clip)->embed_dim()));
  (*clip)->EncodeImages(context, Pixels(checkpoint.golden()).data(), 2, rows.data(), /*normalize=*/false);
  return rows;
}

double LowestCosine(const std::vector<float>& a, const std::vector<float>& b) {
  double lowest = 1;
  const size_t e = a.size() / 2;
  for (size_t row = 0; row < 2; ++row) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = row * e; i < (row + 1) * e; ++i) {
      ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
    }
    lowest = std::min(lowest, ab / std::sqrt(aa * bb));
  }
  return lowest;
}

class TokenMerging : public testing::TestWithParam<const char*> {};

TEST_P(TokenMerging, EqualsTheReference) {
  const Checkpoint checkpoint(GetParam());
  for (const auto& [count, golden] : checkpoint.golden()["merged"].items()) {
    const std::vector<float> actual = Embed(checkpoint, {.merge_tokens = std::stoi(count)});
    std::vector<float> expected;
    for (const Json& row : golden) {
      for (const Json& value : row) expected.push_back(value.get<float>());
    }
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-4f) << count << ": " << i;
  }
}

TEST_P(TokenMerging, RowsDoNotDependOnThreadsOrNeighbours) {
  const Checkpoint checkpoint(GetParam());
  const auto clip = std::move(*Clip::Load(checkpoint.folder(), {.merge_tokens = 5}));
  const std::vector<float> pixels = Pixels(checkpoint.golden());
  const size_t e = static_cast<size_t>(clip->embed_dim());
  std::vector<float> together(2 * e), alone(e);
  Context one(1), two(2);
  clip->EncodeImages(two, pixels.data(), 2, together.data());
  clip->EncodeImages(one, pixels.data() + pixels.size() / 2, 1, alone.data());
  for (size_t i = 0; i < e; ++i) EXPECT_NEAR(alone[i], together[e + i], 2e-6f);
}

TEST_P(TokenMerging, InNarrowPrecisions) {
  const Checkpoint checkpoint(GetParam());
  const std::vector<float> exact = Embed(checkpoint, {.merge_tokens = 5});
  // Rounding decides between cosines that are nearly equal: other tokens may merge than in fp32.
  EXPECT_GT(LowestCosine(exact, Embed(checkpoint, {.precision = Precision::kBF16, .merge_tokens = 5})), 0.99);
  EXPECT_GT(LowestCosine(exact, Embed(checkpoint, {.precision = Precision::kInt8, .merge_tokens = 5})), 0.98);
}

INSTANTIATE_TEST_SUITE_P(Models, TokenMerging,
                         testing::Values("merge_hf_17_tokens", "merge_hf_257_tokens", "merge_hf_325_tokens",
                                         "merge_openclip_average"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TokenMergingErrors, ATowerWithoutTokens) {
  const Checkpoint checkpoint("openclip_resnet");
  const auto clip = Clip::Load(checkpoint.folder(), {.merge_tokens = 8});
  ASSERT_FALSE(clip.ok());
  EXPECT_EQ(clip.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(clip.status().ToString().find("has no tokens to merge"), std::string::npos) << clip.status().ToString();
  EXPECT_TRUE(Clip::Load(checkpoint.folder(), {.merge_tokens = 0}).ok());
}

}  // namespace
}  // namespace diptych
