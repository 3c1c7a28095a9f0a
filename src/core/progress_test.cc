#include "core/progress.h"

#include <gtest/gtest.h>

#include <vector>

namespace diptych {
namespace {

using std::chrono::milliseconds;

class Record : public ProgressSink {
 public:
  void Show(const ProgressState& state) override { states.push_back(state); }
  std::vector<ProgressState> states;
};

TEST(Progress, RateAndTimeLeft) {
  Record record;
  const auto start = ProgressMeter::Clock::time_point{};
  ProgressMeter meter(&record, 1000, start);
  for (int i = 1; i <= 100; ++i) meter.Step(start + milliseconds(20 * i));  // 50 a second, 2 seconds
  ASSERT_FALSE(record.states.empty());
  EXPECT_LE(record.states.size(), 20u);  // ten times a second
  EXPECT_NEAR(record.states.back().rate, 50, 1);
  EXPECT_NEAR(*record.states.back().seconds_left, 18, 1);
  meter.Finish(start + milliseconds(4000));
  EXPECT_TRUE(record.states.back().finished);
  EXPECT_NEAR(record.states.back().rate, 25, 0.1);  // of the whole run
}

TEST(Progress, WithoutATotalThereIsNoTimeLeft) {
  Record record;
  const auto start = ProgressMeter::Clock::time_point{};
  ProgressMeter meter(&record, std::nullopt, start);
  for (int i = 1; i <= 10; ++i) meter.Step(start + milliseconds(200 * i));
  EXPECT_FALSE(record.states.back().seconds_left.has_value());
  EXPECT_GT(record.states.back().rate, 0);
}

TEST(Progress, NothingCountedNothingShown) {
  Record record;
  ProgressMeter meter(&record, 5);
  meter.Finish();
  EXPECT_TRUE(record.states.empty());
}

}  // namespace
}  // namespace diptych
