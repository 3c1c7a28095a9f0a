// Pictures to validate with: in order, preprocessed as for inference, with all of their captions or their class.
#ifndef DIPTYCH_TRAIN_EVAL_SET_H_
#define DIPTYCH_TRAIN_EVAL_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "core/tensor.h"
#include "image/preprocess.h"
#include "text/tokenizer.h"
#include "train/dataset.h"

namespace diptych::train {

/// N pictures, at most EvalOptions::batch. The last batch of a pass, and one with unusable samples, has fewer.
struct EvalBatch {
  std::vector<std::string> keys;  // (N)
  TensorView pixels;              // (N, 3, S, S) fp32
  std::vector<int32_t> labels;    // (N), rows of Dataset::classes(), or -1
  // All captions, those of picture 0 first, packed; none without a tokenizer.
  std::vector<int32_t> ids;
  std::vector<int32_t> lengths;
  std::vector<int32_t> pictures;  // which of the N each caption belongs to
};

struct EvalOptions {
  int64_t batch = 32;
  int threads = 1;
  int batches_ahead = 1;
  PreprocessConfig preprocess;
  DecodeOptions decode;
  bool pad_to_context = false;
  bool needs_classes = false;  // samples without one are left out
};

/// Goes through a data set in its order, as often as wanted. Samples that cannot be used are left out and counted once.
class EvalSet {
 public:
  /// The tokenizer must outlive the set; null: captions are not wanted. Errors: those of OpenDataset; classes are
  /// needed and there are none.
  static Result<std::unique_ptr<EvalSet>> Open(const DatasetOptions& source, const EvalOptions& options,
                                               const Tokenizer* tokenizer);
  ~EvalSet();

  const Dataset& dataset() const;

  /// The next batch, valid until the next call; null at the end of the pass. A batch may come out empty.
  const EvalBatch* Next();
  /// Begins again.
  void Rewind();

  const SkipCounts& skipped() const;

 private:
  struct Impl;
  explicit EvalSet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Pictures with class rows and class names: shards with .cls members and a classes.tsv that FindClasses finds, or
/// folders by class.
Result<std::unique_ptr<EvalSet>> OpenLabelledSet(const std::string& path, EvalOptions options);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_EVAL_SET_H_
