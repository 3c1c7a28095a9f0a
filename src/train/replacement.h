// Which sample stands in for one that cannot be used.
#ifndef DIPTYCH_TRAIN_REPLACEMENT_H_
#define DIPTYCH_TRAIN_REPLACEMENT_H_

#include <cstdint>
#include <optional>

namespace diptych::train {

/// A row of a batch, in positions of an epoch's order.
struct RowPlace {
  int64_t first;  // position of the batch's row 0
  int64_t batch;  // rows, of all processes
  int64_t row;
  int64_t size;  // of the epoch; first + batch <= size
};

/// The position to try as number k: 0 is the row's own; then the same row of the batches that follow, around the end
/// of the epoch; then everything else outside of this batch; at last the other rows of this batch. Nothing: all were
/// tried. So rows of one batch do not take the same sample, unless the data set is hardly larger than the batch; and
/// no process needs to know what the others met.
std::optional<int64_t> CandidateOf(const RowPlace& place, int64_t k);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_REPLACEMENT_H_
