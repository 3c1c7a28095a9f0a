#include "train/batch_pipeline.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace diptych::train {

BatchPipeline::BatchPipeline(const Options& options, MakeRow make_row)
    : options_(options), make_row_(std::move(make_row)), rows_done_(static_cast<size_t>(options.slots)) {
  CHECK_GE(options.threads, 1);
  CHECK_GE(options.slots, 1);
  CHECK_GE(options.rows, 1);
}

BatchPipeline::~BatchPipeline() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  work_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool BatchPipeline::HasWork() const {
  return !paused_ && batch_ < options_.batches && batch_ < held_ + options_.slots;
}

void BatchPipeline::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return stopped_ || HasWork(); });
    if (stopped_) return;
    const int64_t batch = batch_, row = row_;
    if (++row_ == options_.rows) {
      row_ = 0;
      ++batch_;
    }
    ++busy_;
    lock.unlock();
    const int slot = static_cast<int>(batch % options_.slots);
    make_row_(batch, slot, row);
    lock.lock();
    --busy_;
    if (++rows_done_[static_cast<size_t>(slot)] == options_.rows || paused_) done_.notify_all();
  }
}

int BatchPipeline::Next() {
  CHECK_LT(next_, options_.batches);
  if (workers_.empty()) {
    for (int i = 0; i < options_.threads; ++i) workers_.emplace_back([this] { Work(); });
  }
  std::unique_lock lock(mutex_);
  if (held_ < next_) rows_done_[static_cast<size_t>(held_ % options_.slots)] = 0;
  held_ = next_;
  work_.notify_all();
  const int slot = static_cast<int>(next_ % options_.slots);
  done_.wait(lock, [&] { return rows_done_[static_cast<size_t>(slot)] == options_.rows; });
  ++next_;
  return slot;
}

void BatchPipeline::Seek(int64_t batch) {
  CHECK_GE(batch, 0);
  std::unique_lock lock(mutex_);
  paused_ = true;
  done_.wait(lock, [&] { return busy_ == 0; });
  std::fill(rows_done_.begin(), rows_done_.end(), 0);
  next_ = held_ = batch_ = batch;
  row_ = 0;
  paused_ = false;
}

}  // namespace diptych::train
