// How far a long run has come, for whoever wants to show it.
#ifndef DIPTYCH_CORE_PROGRESS_H_
#define DIPTYCH_CORE_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <optional>

namespace diptych {

struct ProgressState {
  int64_t done = 0;
  std::optional<int64_t> total;        // absent: not known, or not yet
  double rate = 0;                     // a second, over the last seconds
  std::optional<double> seconds_left;  // absent while the total or the rate is not known
  bool finished = false;
};

/// Shows progress. Called by one thread at a time, at most ten times a second and once at the end.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void Show(const ProgressState& state) = 0;
};

/// Counts steps and tells a sink. One thread at a time.
class ProgressMeter {
 public:
  using Clock = std::chrono::steady_clock;

  /// A null sink is allowed: nothing is shown.
  ProgressMeter(ProgressSink* sink, std::optional<int64_t> total, Clock::time_point now = Clock::now());
  void Step(Clock::time_point now = Clock::now());
  /// Shows the last state, with `finished`, unless nothing was ever counted.
  void Finish(Clock::time_point now = Clock::now());

  const ProgressState& state() const { return state_; }

 private:
  void Update(Clock::time_point now);

  ProgressSink* sink_;
  ProgressState state_;
  Clock::time_point start_, shown_, window_start_;
  int64_t window_done_ = 0;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_PROGRESS_H_
