#include "train/order.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "core/check.h"
#include "core/rng.h"

namespace diptych::train {

std::vector<uint32_t> EpochOrder(const Dataset& dataset, uint64_t seed, int64_t epoch, int64_t buffer) {
  CHECK_GE(buffer, 0);
  const size_t size = static_cast<size_t>(dataset.size());
  std::vector<uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0u);
  if (buffer == 0) return order;
  Rng rng(DeriveSeed(seed, StreamOf("order"), static_cast<uint64_t>(epoch)));
  const std::span<const int64_t> begins = dataset.shard_begins();
  if (begins.empty()) {
    Shuffle<uint32_t>(order, rng);
    return order;
  }

  std::vector<uint32_t> shards(begins.size());
  std::iota(shards.begin(), shards.end(), 0u);
  Shuffle<uint32_t>(shards, rng);
  auto out = order.begin();
  for (const uint32_t shard : shards) {
    const int64_t end = shard + 1 < begins.size() ? begins[shard + 1] : dataset.size();
    for (int64_t i = begins[shard]; i < end; ++i) *out++ = static_cast<uint32_t>(i);
  }
  // In place: the buffer is order[i, i + buffer), and the one that is drawn goes to its front.
  for (size_t i = 0; i + 1 < size; ++i) {
    const size_t held = std::min(size - i, static_cast<size_t>(buffer));
    std::swap(order[i], order[i + rng.Below(held)]);
  }
  return order;
}

}  // namespace diptych::train
