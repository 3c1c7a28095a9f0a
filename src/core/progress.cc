#include "core/progress.h"

#include <algorithm>

namespace diptych {
namespace {

constexpr auto kBetweenShows = std::chrono::milliseconds(100);
// The rate is an exponential mean over windows of half a second: steady to read, yet it follows a change of load.
constexpr double kWindowSeconds = 0.5;
constexpr double kWeight = 0.2;

double Seconds(ProgressMeter::Clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

ProgressMeter::ProgressMeter(ProgressSink* sink, std::optional<int64_t> total, Clock::time_point now)
    : sink_(sink), start_(now), shown_(now), window_start_(now) {
  state_.total = total;
}

void ProgressMeter::Step(Clock::time_point now) {
  ++state_.done;
  if (sink_ == nullptr || now - shown_ < kBetweenShows) return;
  Update(now);
  sink_->Show(state_);
  shown_ = now;
}

void ProgressMeter::Finish(Clock::time_point now) {
  if (state_.done == 0) return;
  state_.finished = true;
  state_.rate = static_cast<double>(state_.done) / std::max(1e-9, Seconds(now - start_));
  state_.seconds_left = 0;
  if (sink_ != nullptr) sink_->Show(state_);
}

void ProgressMeter::Update(Clock::time_point now) {
  const double window = Seconds(now - window_start_);
  if (state_.rate == 0 || window >= kWindowSeconds) {
    const double rate = static_cast<double>(state_.done - window_done_) / std::max(1e-9, window);
    state_.rate = state_.rate == 0 ? rate : (1 - kWeight) * state_.rate + kWeight * rate;
    window_start_ = now;
    window_done_ = state_.done;
  }
  if (state_.total && state_.rate > 0) {
    state_.seconds_left = static_cast<double>(std::max<int64_t>(0, *state_.total - state_.done)) / state_.rate;
  }
}

}  // namespace diptych
