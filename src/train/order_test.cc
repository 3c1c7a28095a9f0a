#include "train/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace diptych::train {
namespace {

class FakeDataset : public Dataset {
 public:
  FakeDataset(int64_t size, std::vector<int64_t> begins) : size_(size), begins_(std::move(begins)) {}
  int64_t size() const override { return size_; }
  std::span<const int64_t> shard_begins() const override { return begins_; }
  Result<Sample> Read(int64_t) const override { return NotFound("", ""); }
  std::string NameOf(int64_t) const override { return ""; }

 private:
  int64_t size_;
  std::vector<int64_t> begins_;
};

using Order = std::vector<uint32_t>;

Order Sorted(Order order) {
  std::sort(order.begin(), order.end());
  return order;
}

Order InOrder(size_t size) {
  Order order(size);
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

TEST(EpochOrder, IsAPermutationForEachSeedAndEpoch) {
  const FakeDataset shards(100, {0, 30, 30, 90}), files(100, {});
  for (const Dataset* dataset : {static_cast<const Dataset*>(&shards), static_cast<const Dataset*>(&files)}) {
    const Order first = EpochOrder(*dataset, 1, 0, 7);
    EXPECT_EQ(Sorted(first), InOrder(100));
    EXPECT_EQ(first, EpochOrder(*dataset, 1, 0, 7));
    EXPECT_NE(first, EpochOrder(*dataset, 1, 1, 7));
    EXPECT_NE(first, EpochOrder(*dataset, 2, 0, 7));
    EXPECT_EQ(EpochOrder(*dataset, 1, 0, 0), InOrder(100));
  }
}

// Nothing comes earlier than the buffer allows; everything within it is equally likely to be next.
TEST(EpochOrder, TheBufferBoundsHowEarlyASampleComes) {
  const FakeDataset dataset(200, {0});
  std::vector<int> firsts(10);
  for (int64_t epoch = 0; epoch < 5000; ++epoch) {
    const Order order = EpochOrder(dataset, 3, epoch, 10);
    for (size_t i = 0; i < order.size(); ++i) ASSERT_LT(order[i], i + 10);
    ++firsts[order[0]];
  }
  for (const int count : firsts) EXPECT_NEAR(count, 500, 5 * 22);
}

TEST(EpochOrder, ShardsStayTogetherAndChangePlaces) {
  const FakeDataset dataset(300, {0, 100, 200});
  bool seen[3] = {};
  for (int64_t epoch = 0; epoch < 30; ++epoch) {
    const Order order = EpochOrder(dataset, 5, epoch, 4);
    const uint32_t shard = order[0] / 100;
    seen[shard] = true;
    for (size_t i = 0; i < 90; ++i) EXPECT_EQ(order[i] / 100, shard);
  }
  EXPECT_TRUE(seen[0] && seen[1] && seen[2]);
}

TEST(EpochOrder, FilesAreShuffledThroughout) {
  const FakeDataset dataset(1000, {});
  double mean = 0;
  for (int64_t epoch = 0; epoch < 2000; ++epoch) mean += EpochOrder(dataset, 5, epoch, 4)[0] / 2000.0;
  EXPECT_NEAR(mean, 499.5, 5 * 289 / std::sqrt(2000));
}

}  // namespace
}  // namespace diptych::train
