// Numbered batches, made row by row on worker threads ahead of their consumer, handed over in order.
#ifndef DIPTYCH_TRAIN_BATCH_PIPELINE_H_
#define DIPTYCH_TRAIN_BATCH_PIPELINE_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace diptych::train {

/// The places of batches ("slots") belong to the caller and are reused in turn, so that memory is constant: at most
/// `slots` batches exist, the one that is being consumed among them. Used by one thread.
class BatchPipeline {
 public:
  struct Options {
    int threads = 1;
    int slots = 2;
    int64_t rows = 1;     // of each batch
    int64_t batches = 0;  // Next may ask for batches 0 to batches - 1
  };
  /// Makes one row of a batch in its slot. Called by several threads at once, for different rows.
  using MakeRow = std::function<void(int64_t batch, int slot, int64_t row)>;

  BatchPipeline(const Options& options, MakeRow make_row);
  ~BatchPipeline();
  BatchPipeline(const BatchPipeline&) = delete;
  BatchPipeline& operator=(const BatchPipeline&) = delete;

  /// Waits for the next batch and gives its slot, which is the caller's until the next call of Next or Seek. The first
  /// call begins the work. REQUIRES: batch() < batches.
  int Next();
  /// The next batch will be `batch`; nothing is made of those between.
  void Seek(int64_t batch);
  int64_t batch() const { return next_; }  // that Next will give

 private:
  void Work();
  bool HasWork() const;

  const Options options_;
  const MakeRow make_row_;

  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::vector<int64_t> rows_done_;  // by slot
  int64_t next_ = 0;                // the batch that the consumer comes to next
  int64_t held_ = 0;                // the oldest batch whose slot is in use
  int64_t batch_ = 0, row_ = 0;     // what a worker takes next
  int busy_ = 0;                    // workers that are making a row
  bool paused_ = false, stopped_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_BATCH_PIPELINE_H_
