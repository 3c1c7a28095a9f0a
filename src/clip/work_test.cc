// How much is computed for fixed inputs: what a clock would tell only on a quiet machine.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "clip/clip.h"
#include "clip/test_checkpoint.h"

namespace diptych {
namespace {

Work WorkOfImages(const Clip& clip, int64_t b) {
  const int64_t side = clip.image_plan().info().image_size;
  const std::vector<float> pixels = Uniform("pixels", b * 3 * side * side);
  std::vector<float> rows(static_cast<size_t>(b * clip.embed_dim()));
  Context context;
  clip.EncodeImages(context, pixels.data(), b, rows.data());
  return context.work();
}

Work WorkOfTexts(const Clip& clip, const std::vector<std::vector<int32_t>>& texts) {
  std::vector<int32_t> ids, lengths;
  for (const std::vector<int32_t>& text : texts) {
    ids.insert(ids.end(), text.begin(), text.end());
    lengths.push_back(static_cast<int32_t>(text.size()));
  }
  std::vector<float> rows(texts.size() * static_cast<size_t>(clip.embed_dim()));
  Context context;
  clip.text_plan().Forward(context, {.ids = ids, .lengths = lengths}, {.pooled = rows.data()});
  return context.work();
}

// 2 x multiply-adds of `rows` rows through a block, and what its attention adds for pairs of a query and a key.
double BlockFlops(double rows, double d, double f) {
  return 2 * rows * (4 * d * d + 2 * d * f);
}
double AttentionFlops(double pairs, double d) {
  return 4 * pairs * d;
}
// The last block: keys and values of all rows, everything else of the `pooled` ones.
double LastBlockFlops(double rows, double pooled, double d, double f) {
  return 2 * rows * 2 * d * d + 2 * pooled * (2 * d * d + 2 * d * f);
}

std::unique_ptr<Clip> Load(const Checkpoint& checkpoint, const LoadOptions& options = {}) {
  return std::move(*Clip::Load(checkpoint.folder(), options));
}

TEST(Work, ThePooledRowAloneOfAVitsLastBlock) {
  const Checkpoint checkpoint("openclip_b_gelu");
  const std::unique_ptr<Clip> clip = Load(checkpoint);
  const auto& config = std::get<VitConfig>(clip->config().image);
  ASSERT_EQ(config.pooling, VitPooling::kClassToken);
  const double b = 3, t = static_cast<double>(clip->image_plan().info().token_count), d = config.width;
  const double f = config.mlp_width, patch = 3.0 * config.patch_size * config.patch_size;
  const double expected = 2 * b * (t - 1) * patch * d +
                          (config.layers - 1) * (BlockFlops(b * t, d, f) + AttentionFlops(b * t * t, d)) +
                          LastBlockFlops(b * t, b, d, f) + AttentionFlops(b * t, d) + 2 * b * d * config.embed_dim;
  EXPECT_DOUBLE_EQ(WorkOfImages(*clip, 3).flops, expected);
  EXPECT_LT(expected, b * clip->image_plan().info().flops);
}

TEST(Work, NarrowWeightsAreReadInFewerBytes) {
  const Checkpoint checkpoint("openclip_b_gelu");
  const Work wide = WorkOfImages(*Load(checkpoint), 1);
  for (const Precision precision : {Precision::kBF16, Precision::kInt8}) {
    const Work narrow = WorkOfImages(*Load(checkpoint, {.precision = precision}), 1);
    EXPECT_DOUBLE_EQ(narrow.flops, wide.flops);
    EXPECT_LE(narrow.bytes, (precision == Precision::kInt8 ? 0.7 : 1.0) * wide.bytes);
  }
}

TEST(Work, TextsWithoutPaddingAndSharedBeginningsOnce) {
  const Checkpoint checkpoint("openclip_b_gelu");
  const std::unique_ptr<Clip> clip = Load(checkpoint);
  const auto& config = std::get<TransformerConfig>(clip->config().text);
  ASSERT_TRUE(config.causal);
  const double d = config.width, f = config.mlp_width;
  const auto tokens = [&](double rows, double texts, double pairs, double last_pairs) {
    return (config.layers - 1) * (BlockFlops(rows, d, f) + AttentionFlops(pairs, d)) +
           LastBlockFlops(rows, texts, d, f) + AttentionFlops(last_pairs, d) + 2 * texts * d * config.embed_dim;
  };
  const int32_t end = config.vocab_size - 1;
  // Of 3 and 5 rows: 1 + 2 + 3 and 1 + ... + 5 pairs; in the last block the pooled rows' 3 and 5.
  EXPECT_DOUBLE_EQ(WorkOfTexts(*clip, {{1, 2, end}, {3, 4, 5, 6, end}}).flops, tokens(8, 2, 6 + 15, 8));
  // What stands behind the end token is not computed.
  EXPECT_DOUBLE_EQ(WorkOfTexts(*clip, {{1, 2, end, 0, 0, 0}}).flops, tokens(3, 1, 6, 3));
  // A beginning of eight tokens that four texts share is computed once.
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t i = 0; i < 4; ++i) prompts.push_back({1, 2, 3, 4, 5, 6, 7, 8, 20 + i, end});
  const double pairs = 36 + 4 * (9 + 10);
  EXPECT_DOUBLE_EQ(WorkOfTexts(*clip, prompts).flops, tokens(8 + 4 * 2, 4, pairs, 4 * 10));
}

TEST(Work, MergedTokensAreNotComputed) {
  const Checkpoint checkpoint("merge_hf_257_tokens");
  const double all = WorkOfImages(*Load(checkpoint), 1).flops;
  const double merged = WorkOfImages(*Load(checkpoint, {.merge_tokens = 16}), 1).flops;
  EXPECT_LT(merged, all);
  EXPECT_GT(merged, 0.3 * all);
}

TEST(Work, TheStarterDoesWhatItSays) {
  const auto clip = std::move(*Clip::Load(std::string(DIPTYCH_SOURCE_DIR) + "/models/starter"));
  EXPECT_DOUBLE_EQ(WorkOfImages(*clip, 2).flops, 2 * clip->image_plan().info().flops);
}

}  // namespace
}  // namespace diptych
