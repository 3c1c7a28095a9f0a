// The model that ships, as it will run: loaded from the source tree, on its own shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "clip/clip.h"
#include "clip/test_checkpoint.h"
#include "kernels/runtime.h"
#include "support/allocation_counter.h"

namespace diptych {
namespace {

std::unique_ptr<Clip> LoadStarter() {
  return std::move(*Clip::Load(std::string(DIPTYCH_SOURCE_DIR) + "/models/starter"));
}

TEST(Starter, EveryPrimitiveIsAFastOne) {
  const std::unique_ptr<Clip> clip = LoadStarter();
  const std::vector<float> pixels = Uniform("pixels", int64_t{8} * 3 * 224 * 224);
  std::vector<float> embeddings(8 * 384);
  const std::vector<std::string> texts = {"a photo of a cat", "two dogs in the snow, one of them asleep"};
  for (const int threads : {1, 2}) {
    Context context(threads);
    for (const int64_t batch : {1, 3, 8}) clip->EncodeImages(context, pixels.data(), batch, embeddings.data());
    clip->EncodeTexts(context, texts, embeddings.data());
  }
  const std::vector<std::string> names = kernels::ImplementationsInUse();
  EXPECT_FALSE(names.empty());
  for (const std::string& name : names) EXPECT_FALSE(name.starts_with("ref")) << name;
}

TEST(Starter, TheSteadyStateAllocatesNothing) {
  const std::unique_ptr<Clip> clip = LoadStarter();
  const std::vector<float> pixels = Uniform("pixels", int64_t{4} * 3 * 224 * 224);
  std::vector<float> embeddings(4 * 384);
  std::vector<int32_t> ids, lengths = {7, 3, 12};
  for (int i = 0; i < 22; ++i) ids.push_back(1000 + i);
  for (const int threads : {1, 2}) {
    Context context(threads);
    EXPECT_EQ(testing_support::AllocationsOf(
                  context, [&] { clip->EncodeImages(context, pixels.data(), 4, embeddings.data()); }),
              0);
    EXPECT_EQ(testing_support::AllocationsOf(context,
                                             [&] {
                                               clip->text_plan().Forward(context, {.ids = ids, .lengths = lengths},
                                                                         {.pooled = embeddings.data()});
                                             }),
              0);
  }
}

TEST(Starter, KnowsItself) {
  const std::unique_ptr<Clip> clip = LoadStarter();
  EXPECT_EQ(clip->parameter_count(), 26575745);
  EXPECT_EQ(clip->embed_dim(), 384);
  EXPECT_NEAR(clip->image_plan().info().flops, 0.77e9, 0.02e9);
}

}  // namespace
}  // namespace diptych
