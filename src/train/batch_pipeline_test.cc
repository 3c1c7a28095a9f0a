#include "train/batch_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>

namespace diptych::train {
namespace {

constexpr int64_t kEndless = std::numeric_limits<int64_t>::max();

TEST(BatchPipeline, BatchesComeInOrderAndWhole) {
  for (const int threads : {1, 2, 5}) {
    std::vector<std::vector<int64_t>> slots(3, std::vector<int64_t>(7));
    BatchPipeline pipeline({.threads = threads, .slots = 3, .rows = 7, .batches = 50},
                           [&](int64_t batch, int slot, int64_t row) { slots[slot][row] = 100 * batch + row; });
    for (int64_t batch = 0; batch < 50; ++batch) {
      EXPECT_EQ(pipeline.batch(), batch);
      const int slot = pipeline.Next();
      for (int64_t row = 0; row < 7; ++row) ASSERT_EQ(slots[slot][row], 100 * batch + row);
    }
  }
}

TEST(BatchPipeline, NothingIsMadeTooEarlyOrTwice) {
  std::atomic<int64_t> consumed{-1};
  std::atomic<int> made{0}, early{0};
  BatchPipeline pipeline({.threads = 4, .slots = 2, .rows = 3, .batches = kEndless}, [&](int64_t batch, int, int64_t) {
    ++made;
    // The consumer holds batch `consumed` + 1 at most: its slot and one more.
    if (batch > consumed + 2) ++early;
  });
  EXPECT_EQ(made, 0);  // work begins with the first call
  for (int64_t batch = 0; batch < 200; ++batch) {
    pipeline.Next();
    consumed = batch;
  }
  EXPECT_EQ(early, 0);
  EXPECT_GE(made, 600);
  EXPECT_LE(made, 606);
}

TEST(BatchPipeline, SeekMakesNothingOfWhatIsLeftOut) {
  std::atomic<int64_t> lowest{kEndless};
  std::vector<int64_t> slots(4);
  BatchPipeline pipeline({.threads = 3, .slots = 4, .rows = 2, .batches = kEndless},
                         [&](int64_t batch, int slot, int64_t row) {
                           if (row == 1) slots[slot] = batch;
                           lowest = std::min(lowest.load(), batch);
                         });
  pipeline.Seek(1000000);
  for (int64_t batch = 1000000; batch < 1000010; ++batch) EXPECT_EQ(slots[pipeline.Next()], batch);
  EXPECT_EQ(lowest, 1000000);
  for (const int64_t batch : {3, 77, 5}) {
    pipeline.Seek(batch);
    EXPECT_EQ(pipeline.batch(), batch);
    EXPECT_EQ(slots[pipeline.Next()], batch);
    EXPECT_EQ(slots[pipeline.Next()], batch + 1);
  }
}

TEST(BatchPipeline, EndsWhileWorkIsUnderWay) {
  for (int i = 0; i < 50; ++i) {
    BatchPipeline pipeline({.threads = 3, .slots = 3, .rows = 5, .batches = kEndless}, [](int64_t, int, int64_t) {});
    if (i % 2 == 0) pipeline.Next();
  }
}

}  // namespace
}  // namespace diptych::train
