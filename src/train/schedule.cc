#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace diptych::train {
namespace {

// How far `step` is from `begin` to `end`, in [0, 1].
double Fraction(int64_t step, int64_t begin, int64_t end) {
  if (step >= end) return 1;
  return static_cast<double>(step - begin) / static_cast<double>(end - begin);
}

}  // namespace

double Schedule::RateAt(int64_t step) const {
  if (step < warmup) return rate * static_cast<double>(step + 1) / static_cast<double>(warmup);
  switch (kind) {
    case Kind::kConstant: return rate;
    case Kind::kCosine: return 0.5 * (1 + std::cos(std::numbers::pi * Fraction(step, warmup, steps))) * rate;
    case Kind::kCooldown: break;
  }
  if (step < steps - cooldown) return rate;
  return std::pow(1 - Fraction(step, steps - cooldown, steps), power) * (rate - end_rate) + end_rate;
}

}  // namespace diptych::train
