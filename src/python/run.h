// Long calls: without the interpreter's lock, to be ended by Ctrl-C, with a progress bar where somebody watches.
#ifndef DIPTYCH_PYTHON_RUN_H_
#define DIPTYCH_PYTHON_RUN_H_

#include <nanobind/nanobind.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "diptych/status.h"
#include "diptych/watch.h"
#include "python/errors.h"

namespace diptych::python {

/// What is under way on threads of ours. A call that was interrupted leaves its last batch behind: it owns all that it
/// works with, and the interpreter's end waits for it.
void JobBegins();
void JobEnds();
/// Waits, without the interpreter's lock, until none is left.
void WaitForJobs();

struct RunOptions {
  bool is_long = true;             // false: some 0.2 s at most; it then runs on the calling thread
  std::optional<int64_t> total;    // of a progress bar; none without it
  std::function<void()> poll;      // some times a second, with the lock; may raise
  /// Before what failed is raised as its Status says; may raise something else.
  std::function<void(const Status&)> failed;
};

/// A bar on standard error or in a notebook, where there is one to see it and the call takes a while.
class ProgressBar {
 public:
  explicit ProgressBar(std::optional<int64_t> total) : total_(total) {}
  ~ProgressBar();
  void Show(int64_t done);

 private:
  using Clock = std::chrono::steady_clock;
  std::optional<int64_t> total_;
  Clock::time_point start_ = Clock::now();
  nb::object bar_;
};

template <class T>
T UnwrapOf(Result<T> result, const RunOptions& options) {
  if (!result.ok() && options.failed) options.failed(result.status());
  return Unwrap(std::move(result));
}

/// work(Watch&) -> Result<T>, which may touch nothing of Python's. Gives the value or raises. When a signal's handler
/// raises, so does this, at once; `work` is told to stop and ends by itself.
template <class F>
auto Run(F work, const RunOptions& options) {
  using R = std::invoke_result_t<F&, Watch&>;
  struct Job {
    explicit Job(F f) : work(std::move(f)) {}
    std::optional<F> work;
    Watch watch;
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<R> result;
  };
  const auto job = std::make_shared<Job>(std::move(work));
  if (!options.is_long) {
    {
      nb::gil_scoped_release unlocked;
      job->result.emplace((*job->work)(job->watch));
    }
    return UnwrapOf(std::move(*job->result), options);
  }
  JobBegins();
  std::thread([job] {
    R result = (*job->work)(job->watch);
    job->work.reset();
    {
      const std::lock_guard lock(job->mutex);
      job->result.emplace(std::move(result));
    }
    job->changed.notify_all();
    JobEnds();
  }).detach();
  ProgressBar bar(options.total);
  constexpr auto kInterval = std::chrono::milliseconds(50);
  while (true) {
    bool done = false;
    {
      nb::gil_scoped_release unlocked;
      std::unique_lock lock(job->mutex);
      done = job->changed.wait_for(lock, kInterval, [&] { return job->result.has_value(); });
    }
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (options.poll) options.poll();
      bar.Show(job->watch.done);
    } catch (...) {
      job->watch.stop = true;
      throw;
    }
    if (done) return UnwrapOf(std::move(*job->result), options);
  }
}

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_RUN_H_
