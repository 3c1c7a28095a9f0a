#include "apps/cutoff.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "core/file.h"
#include "core/json.h"

namespace diptych {
namespace {

TEST(Cutoff, KeepsWhileTheMeanStaysWithin) {
  const std::vector<double> chances = {0, 0.1, 0.2, 0.5, 0.9};
  EXPECT_EQ(CountWithin(chances, 0), 1u);
  EXPECT_EQ(CountWithin(chances, 0.1), 3u);
  EXPECT_EQ(CountWithin(chances, 0.2), 4u);
  EXPECT_EQ(CountWithin(chances, 1), 5u);
  EXPECT_EQ(CountWithin({}, 0.1), 0u);
}

TEST(Cutoff, WordsCompeteForAPicture) {
  const std::vector<float> query = {1, 0, 0};
  const std::vector<float> background = {0, 1, 0, 0.99f, 0.141f, 0};  // the second one means the same as the query
  const std::vector<float> pictures = {1, 0, 0, 0, 1, 0, 0.7071f, 0.7071f, 0};
  const std::vector<double> chances = Competition(query, background, 50).ChancesOfOther(pictures);
  EXPECT_NEAR(chances[0], 0, 1e-9);
  EXPECT_NEAR(chances[1], 1, 1e-9);
  EXPECT_NEAR(chances[2], 0.5, 1e-6);
  EXPECT_EQ(Competition(query, {}, 50).ChancesOfOther(pictures), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(Competition(query, background, 1e6).ChancesOfOther(pictures)[1], 1);  // no overflow
}

// NumPy's values (tools/golden/cutoff.py).
TEST(Cutoff, LooksAreLearntAsInTheReference) {
  const std::string file = std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/cutoff/competition.json";
  const Json golden = ParseJson(ReadFile(file).value(), file).value();
  const auto floats = [&](const char* name) { return golden[name].get<std::vector<float>>(); };
  const auto expect_near = [&](const std::vector<double>& chances, const char* name) {
    const auto expected = golden[name].get<std::vector<double>>();
    ASSERT_EQ(chances.size(), expected.size());
    // Products and softmax are in fp32; logits of 12 times a cosine lose a millionth of that.
    for (size_t i = 0; i < chances.size(); ++i) EXPECT_NEAR(chances[i], expected[i], 2e-5) << name << " " << i;
  };
  for (const int threads : {1, 2}) {
    Competition competition(floats("query"), floats("background"), golden["scale"].get<double>());
    const std::vector<float> nearest = floats("nearest");
    expect_near(competition.ChancesOfOther(nearest), "before");
    Context context(threads);
    competition.LearnLooks(context, floats("sample"), nearest);
    expect_near(competition.ChancesOfOther(nearest), "after");
  }
}

TEST(Cutoff, AStoreWithoutPicturesTeachesNothing) {
  const std::vector<float> pictures = {1, 0, 0.8f, 0.6f};
  Competition competition({1, 0}, {0, 1}, 10);
  const std::vector<double> before = competition.ChancesOfOther(pictures);
  Context context(1);
  competition.LearnLooks(context, {}, {});
  EXPECT_EQ(competition.ChancesOfOther(pictures), before);
  Competition alone({1, 0}, {}, 10);  // no background at all
  alone.LearnLooks(context, pictures, pictures);
  EXPECT_EQ(alone.ChancesOfOther(pictures), (std::vector<double>{0, 0}));
}

TEST(Cutoff, LikelyOnes) {
  EXPECT_EQ(CountLikely(std::vector<double>{0, 0.2, 0.5, 0.51, 1}), 3u);
  EXPECT_EQ(CountLikely(std::vector<double>{0.6}), 0u);
  EXPECT_EQ(CountLikely({}), 0u);
}

// Of a store in which nothing belongs to the query hardly anything is kept, whatever its scores are; what stands out
// is.
TEST(Cutoff, ChanceAloneIsNotAnAnswer) {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal(0.2f, 0.03f);
  std::vector<float> sample(20000);
  for (float& s : sample) s = normal(engine);
  std::vector<float> best = sample;
  std::sort(best.rbegin(), best.rend());
  best.resize(100);
  EXPECT_LE(CountWithin(ChancesByNull(best, sample, 20000), 0.05), 1u);
  std::vector<float> found = {0.6f, 0.55f, 0.5f};
  found.insert(found.end(), best.begin(), best.end());
  const size_t kept = CountWithin(ChancesByNull(found, sample, 20003), 0.05);
  EXPECT_GE(kept, 3u);
  EXPECT_LE(kept, 4u);
  EXPECT_EQ(ChancesByNull(found, {}, 10).size(), found.size());
}

}  // namespace
}  // namespace diptych
