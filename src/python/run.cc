#include "python/run.h"

namespace diptych::python {
namespace {

std::mutex jobs_mutex;
std::condition_variable jobs_changed;
int jobs = 0;

}  // namespace

void JobBegins() {
  const std::lock_guard lock(jobs_mutex);
  ++jobs;
}

void JobEnds() {
  const std::lock_guard lock(jobs_mutex);
  --jobs;
  jobs_changed.notify_all();
}

void WaitForJobs() {
  nb::gil_scoped_release unlocked;
  std::unique_lock lock(jobs_mutex);
  jobs_changed.wait(lock, [] { return jobs == 0; });
}

void ProgressBar::Show(int64_t done) {
  constexpr auto kPatience = std::chrono::seconds(1);
  if (!total_ || (!bar_.is_valid() && (Clock::now() - start_ < kPatience || done >= *total_))) return;
  if (!bar_.is_valid()) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    bar_ = nb::module_::import_("diptych._progress").attr("bar")(*total_, seconds);
  }
  if (!bar_.is_none()) bar_.attr("show")(done);
}

ProgressBar::~ProgressBar() {
  if (!bar_.is_valid() || bar_.is_none()) return;
  try {
    bar_.attr("close")();
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("closing a progress bar");
  }
}

}  // namespace diptych::python
