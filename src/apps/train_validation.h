// How good a model is that is being trained: on captioned pictures its loss and recall, on labelled ones its zero-shot
// accuracy.
#ifndef DIPTYCH_APPS_TRAIN_VALIDATION_H_
#define DIPTYCH_APPS_TRAIN_VALIDATION_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "apps/similarity.h"
#include "clip/clip.h"
#include "core/status.h"
#include "diptych/train.h"
#include "train/dataset.h"

namespace diptych {

struct ValidationOptions {
  std::vector<std::string> data;  // a set each, as train::OpenDataset takes them
  std::string picture_column, caption_column;
  int64_t limit = 0;        // samples of each set, evenly spread; 0: all
  int64_t loss_batch = 64;  // pairs over which the loss is taken, as in training
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;  // ends Measure early; may be null
};

class Validation {
 public:
  /// Errors: those of OpenDataset, naming the set.
  static Result<Validation> Open(const ValidationOptions& options);

  bool empty() const { return sets_.empty(); }

  /// Of a set with classes: "val/top1/NAME", against "a photo of a {}" filled with their names. Of captions:
  /// "val/loss/NAME" over batches of loss_batch pairs in order, "val/recall/NAME image to text @1" and so on: the share
  /// of the pictures one of whose captions is among the k most similar, and of the captions whose picture is.
  /// NAME is the set's file name without numbers and ending. Errors: no picture of a set can be read;
  /// kCancelled once options.stop is set.
  Result<std::vector<TrainMetric>> Measure(const Clip& clip) const;

  /// A few pairs of the first set with captions, else of the first with classes: pictures against texts.
  Result<SimilarityMatrix> Sample(const Clip& clip) const;

 private:
  struct Set {
    std::string name;
    std::unique_ptr<train::Dataset> data;
    std::vector<int64_t> indices;
  };
  Status MeasureClasses(const Clip& clip, const Set& set, std::vector<TrainMetric>& metrics) const;
  Status MeasureCaptions(const Clip& clip, const Set& set, std::vector<TrainMetric>& metrics) const;

  ValidationOptions options_;
  std::vector<Set> sets_;
};

}  // namespace diptych

#endif  // DIPTYCH_APPS_TRAIN_VALIDATION_H_
