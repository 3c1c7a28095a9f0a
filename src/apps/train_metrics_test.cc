#include "apps/train_metrics.h"

#include <cmath>

#include "core/file.h"
#include "support/train_data.h"

namespace diptych {
namespace {

class MetricsLogTest : public train::FolderTest {
 protected:
  std::string Text() const { return *ReadFile(Path("metrics.jsonl")); }
};

TEST_F(MetricsLogTest, AResumedRunKeepsTheLinesOfItsPast) {
  {
    MetricsLog log = *MetricsLog::Open(folder_, 0);
    ASSERT_TRUE(log.Write(1, {{"loss", 2.5}}).ok());
    ASSERT_TRUE(log.Write(2, {{"loss", 1.5}}).ok());
    ASSERT_TRUE(log.Write(3, {{"loss", 1.25}}).ok());
  }
  EXPECT_EQ(Text(), "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":1.5}\n{\"step\":3,\"loss\":1.25}\n");
  MetricsLog log = *MetricsLog::Open(folder_, 2);
  ASSERT_TRUE(log.Write(3, {{"loss", 1.125}}).ok());
  const std::map<std::string, Curve> curves = *log.ReadCurves();
  EXPECT_EQ(curves.at("loss"), (Curve{{1, 2.5}, {2, 1.5}, {3, 1.125}}));
}

TEST_F(MetricsLogTest, WhatItDidNotWriteIsLeftOut) {
  Write("metrics.jsonl",
        "{\"step\":1,\"loss\":2}\nnonsense\n[1]\n{\"step\":\"2\"}\n{\"loss\":3}\n{\"step\":2,\"loss\":null}\n"
        "{\"step\":2,\"loss\":[1],\"x\":1e999}\n\xff\xfe\n{\"step\":2,\"los");
  const MetricsLog log = *MetricsLog::Open(folder_, 5);
  EXPECT_EQ((*log.ReadCurves()).at("loss"), (Curve{{1, 2.0}}));
}

TEST_F(MetricsLogTest, AnyBytesAreReadOrLeftOut) {
  const std::string good = "{\"step\":1,\"loss\":2.5,\"val/top1/x\":0.5}\n{\"step\":2,\"loss\":1e-3}\n";
  Rng rng(1);
  for (int i = 0; i < 100; ++i) {
    std::string mutant = good;
    for (int k = 0; k < 3; ++k) mutant[rng.Below(mutant.size())] = static_cast<char>(rng.NextU32());
    Write("metrics.jsonl", mutant);
    const MetricsLog log = *MetricsLog::Open(folder_, 5);
    EXPECT_LE(log.ReadCurves()->size(), 6u);
  }
}

TEST(MetricsJson, NamesOfAnyBytesAndNumbersOfAnyKind) {
  EXPECT_EQ(MetricsJson(3, {{"val/top1/caf\xe9", 0.5}, {"loss", INFINITY}}),
            "{\"step\":3,\"val/top1/caf\xef\xbf\xbd\":0.5,\"loss\":null}");
}

}  // namespace
}  // namespace diptych
