#include "core/context.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace diptych {
namespace {

TEST(Context, OneAWorkerIsKeptInAVector) {
  std::vector<Context> workers;
  for (int i = 0; i < 3; ++i) workers.emplace_back(1, Mode::kTraining).arena().AllocateBytes(100);
  for (Context& worker : workers) {
    EXPECT_EQ(worker.threads(), 1);
    EXPECT_EQ(worker.mode(), Mode::kTraining);
    EXPECT_GE(worker.arena().high_water(), 100u);
  }
}

TEST(Context, DefaultsToInferenceOnOneHostThread) {
  const Context context;
  EXPECT_EQ(context.threads(), 1);
  EXPECT_EQ(context.mode(), Mode::kInference);
  EXPECT_EQ(context.device(), Device::kHost);
}

TEST(ContextDeathTest, NeedsAThread) {
  EXPECT_DEATH(Context(0), "0 vs 1");
}

}  // namespace
}  // namespace diptych
