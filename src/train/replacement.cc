#include "train/replacement.h"

namespace diptych::train {

std::optional<int64_t> CandidateOf(const RowPlace& place, int64_t k) {
  const auto& [first, batch, row, size] = place;
  if (k == 0) return first + row;
  --k;
  const int64_t outside = size - batch;  // numbered from the end of this batch on
  const auto position = [&](int64_t i) { return (first + batch + i) % size; };
  const int64_t batches = outside / batch;  // whole ones: their rows stay apart
  if (k < batches) return position(row + k * batch);
  k -= batches;
  if (k < outside) return position((row + k) % outside);
  k -= outside;
  if (k < batch - 1) return first + (row + 1 + k) % batch;
  return std::nullopt;
}

}  // namespace diptych::train
