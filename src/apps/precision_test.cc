#include "apps/precision.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/file.h"
#include "kernels/runtime.h"

namespace diptych {
namespace {

const char kStarter[] = DIPTYCH_SOURCE_DIR "/models/starter";

TEST(BestPrecision, IsTheFastestThatIsCloseEnough) {
  EXPECT_EQ(BestPrecision({{Precision::kF32, 10, 1}}), Precision::kF32);
  EXPECT_EQ(BestPrecision({{Precision::kF32, 10, 1}, {Precision::kBF16, 20, 0.9995}, {Precision::kInt8, 30, 0.995}}),
            Precision::kInt8);
  EXPECT_EQ(BestPrecision({{Precision::kF32, 10, 1}, {Precision::kBF16, 20, 0.9995}, {Precision::kInt8, 30, 0.98}}),
            Precision::kBF16);
  EXPECT_EQ(BestPrecision({{Precision::kF32, 10, 1}, {Precision::kBF16, 20, 0.99}, {Precision::kInt8, 10.2, 0.999}}),
            Precision::kF32);
}

TEST(TryPrecisions, TheStarterStaysCloseInAllOfThem) {
  const auto trials = TryPrecisions(kStarter, {});
  ASSERT_TRUE(trials.ok()) << trials.status().ToString();
  ASSERT_EQ(trials->size(), kernels::HasFastBf16() ? 3 : 2);
  for (const PrecisionTrial& trial : *trials) {
    EXPECT_GT(trial.images_per_s, 0);
    EXPECT_GE(trial.cosine, trial.precision == Precision::kInt8 ? 0.99 : 0.999) << NameOf(trial.precision);
    EXPECT_EQ(trial.cosine > 0.999999, trial.precision == Precision::kF32) << NameOf(trial.precision);
  }
}

TEST(LoadInBestPrecision, RemembersWhatItMeasured) {
  const std::string folder = testing::TempDir() + "/precision_memory";
  std::filesystem::remove_all(folder);
  ASSERT_EQ(setenv("XDG_CACHE_HOME", folder.c_str(), 1), 0);
  const auto first = LoadInBestPrecision(kStarter, {});
  ASSERT_TRUE(first.ok());
  EXPECT_NE((*first)->config().facts.back().source.find("cosine"), std::string::npos);
  // What is remembered is taken without measuring, and a memory that cannot be read is none.
  const std::string file = folder + "/diptych/precision.json";
  std::string memory = ReadFile(file).value();
  const std::string chosen = NameOf((*first)->precision()), other = chosen == "int8" ? "fp32" : "int8";
  memory.replace(memory.rfind(chosen), chosen.size(), other);
  ASSERT_TRUE(WriteFileAtomically(file, memory).ok());
  const auto second = LoadInBestPrecision(kStarter, {});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(NameOf((*second)->precision()), other);
  ASSERT_TRUE(WriteFileAtomically(file, "{ \"broken").ok());
  const auto third = LoadInBestPrecision(kStarter, {});
  ASSERT_TRUE(third.ok());
  EXPECT_NE((*third)->config().facts.back().source.find("cosine"), std::string::npos);
  unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace diptych
