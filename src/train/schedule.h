// The learning rate of a step.
#ifndef DIPTYCH_TRAIN_SCHEDULE_H_
#define DIPTYCH_TRAIN_SCHEDULE_H_

#include <cstdint>

namespace diptych::train {

/// open_clip 3.3's schedules (open_clip_train/scheduler.py), after a linear warm-up of `warmup` steps:
///   kCosine    half a cosine from `rate` to 0 at the end
///   kConstant  `rate`
///   kCooldown  `rate`, and over the last `cooldown` steps down to `end_rate`, along (1 - x)^power
struct Schedule {
  enum class Kind : uint8_t { kCosine, kConstant, kCooldown };
  Kind kind = Kind::kCosine;
  double rate = 5e-4;
  int64_t warmup = 0;
  int64_t steps = 0;  // of the whole run, warm-up and cool-down included
  int64_t cooldown = 0;
  double power = 1;
  double end_rate = 0;

  /// `step` counts from 0. Steps past the end keep the end's rate.
  double RateAt(int64_t step) const;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_SCHEDULE_H_
