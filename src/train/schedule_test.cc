#include "train/schedule.h"

#include <gtest/gtest.h>

#include <map>

#include "train/test_util.h"

namespace diptych::train {
namespace {

TEST(Schedule, EveryStepEqualsOpenClip) {
  const Golden golden("optimizer/optimizer.safetensors");
  const Schedule base{.rate = 5e-4, .warmup = 7, .steps = 50, .cooldown = 12};
  std::map<std::string, Schedule> schedules = {
      {"cosine", base}, {"constant", base}, {"cooldown", base}, {"cooldown_squared", base}, {"no_warmup", base}};
  schedules["constant"].kind = Schedule::Kind::kConstant;
  schedules["cooldown"].kind = schedules["cooldown_squared"].kind = Schedule::Kind::kCooldown;
  schedules["cooldown_squared"].power = 2;
  schedules["cooldown_squared"].end_rate = 1e-5;
  schedules["no_warmup"].warmup = 0;
  for (const auto& [name, schedule] : schedules) {
    const double* expected = golden["schedule/" + name].data<double>();
    for (int64_t step = 0; step < 50; ++step) {
      EXPECT_NEAR(schedule.RateAt(step), expected[step], 1e-15) << name << " " << step;
    }
  }
}

TEST(Schedule, EndsAtItsEnd) {
  Schedule schedule{.rate = 1, .warmup = 2, .steps = 10, .cooldown = 4, .end_rate = 0.25};
  for (const int64_t step : {10, 11, 1000}) {
    schedule.kind = Schedule::Kind::kCosine;
    EXPECT_EQ(schedule.RateAt(step), 0) << step;
    schedule.kind = Schedule::Kind::kCooldown;
    EXPECT_EQ(schedule.RateAt(step), 0.25) << step;
    schedule.kind = Schedule::Kind::kConstant;
    EXPECT_EQ(schedule.RateAt(step), 1) << step;
  }
}

TEST(Schedule, WarmupLongerThanTheRun) {
  const Schedule schedule{.rate = 1, .warmup = 20, .steps = 10};
  EXPECT_EQ(schedule.RateAt(9), 0.5);
}

}  // namespace
}  // namespace diptych::train
