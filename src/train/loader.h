// Training batches: decoded, augmented and tokenised on worker threads ahead of the step.
#ifndef DIPTYCH_TRAIN_LOADER_H_
#define DIPTYCH_TRAIN_LOADER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "core/tensor.h"
#include "image/augment.h"
#include "text/tokenizer.h"
#include "train/communicator.h"
#include "train/dataset.h"

namespace diptych::train {

/// The rows of one step that belong to this process: B of them.
struct TrainBatch {
  std::vector<std::string> keys;      // (B), for reports
  Tensor pixels;                      // (B, 3, S, S) fp32
  std::vector<int32_t> ids;           // packed, without padding unless it was asked for
  std::vector<int32_t> lengths;       // (B)
  std::vector<std::string> captions;  // (B), what the ids are of
  std::vector<int32_t> labels;        // (B), the row of Dataset::classes(), or -1
};

struct LoaderOptions {
  int64_t batch = 32;       // of all processes together
  int rank = 0, ranks = 1;  // rows [rank * batch / ranks, (rank + 1) * batch / ranks) are this process's
  int threads = 1;
  int batches_ahead = 2;  // made while a step runs; with the step's own they bound the memory
  uint64_t seed = 0;
  int64_t shuffle_buffer = 5000;  // 0: in order
  PreprocessConfig preprocess;    // side S (crop), filter, treatment of alpha, mean and deviation
  AugmentOptions augment;
  DecodeOptions decode;
  bool pad_to_context = false;  // texts of towers that see their padding (TextTowerInfo)
};

/// Endless: epoch after epoch, each leaving out what does not fill a batch. What comes at a step is a function of the
/// data set, the options and the step alone: not of the number of threads, nor of ranks, nor of where the run began.
///
/// A sample that turns out to be unusable is replaced by one of another batch of its epoch: by that of the same row in
/// the next batch, or the one after it, and so on. The order of all others stays.
class Loader {
 public:
  /// The tokenizer must outlive the loader. Errors: those of OpenDataset; a batch larger than the data set, or one that
  /// the ranks cannot share equally; augmentation out of range.
  static Result<std::unique_ptr<Loader>> Open(const DatasetOptions& source, const LoaderOptions& options,
                                              const Tokenizer& tokenizer);
  ~Loader();

  const Dataset& dataset() const;
  int64_t steps_per_epoch() const;
  int64_t step() const;  // that Next will give

  /// The batch of the next step; valid until the next call of Next or Seek. Errors: 1,000 samples in a row unusable.
  Result<const TrainBatch*> Next();
  /// Goes to `step` (from 0, over all epochs) without decoding what is left out. REQUIRES: step >= 0.
  void Seek(int64_t step);

  /// Samples that could not be used so far, each once: at opening, and those that this process met in its rows.
  const SkipCounts& skipped() const;
  /// The same of all processes of a job. Every one of them calls it.
  SkipCounts SkippedInJob(Communicator& communicator) const;

 private:
  struct Impl;
  explicit Loader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_LOADER_H_
