// In which order an epoch goes through a data set.
#ifndef DIPTYCH_TRAIN_ORDER_H_
#define DIPTYCH_TRAIN_ORDER_H_

#include <cstdint>
#include <vector>

#include "train/dataset.h"

namespace diptych::train {

/// A permutation of the samples, a function of its arguments alone. As webdataset shuffles: shards in random order,
/// their samples through a buffer of `buffer` from which each next one is drawn; sources without shards are permuted
/// uniformly. buffer = 0: in order.
std::vector<uint32_t> EpochOrder(const Dataset& dataset, uint64_t seed, int64_t epoch, int64_t buffer);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_ORDER_H_
