#include "train/replacement.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace diptych::train {
namespace {

std::vector<int64_t> Candidates(const RowPlace& place) {
  std::vector<int64_t> all;
  for (int64_t k = 0; true; ++k) {
    const auto position = CandidateOf(place, k);
    if (!position) return all;
    all.push_back(*position);
  }
}

TEST(Replacement, TheSameRowOfTheNextBatches) {
  const auto all = Candidates({.first = 4, .batch = 4, .row = 1, .size = 16});
  EXPECT_EQ(std::vector<int64_t>(all.begin(), all.begin() + 4), (std::vector<int64_t>{5, 9, 13, 1}));
}

TEST(Replacement, EverythingIsTriedThisBatchLast) {
  for (int64_t size = 1; size < 20; ++size) {
    for (int64_t batch = 1; batch <= size; ++batch) {
      for (int64_t first = 0; first + batch <= size; first += batch) {
        for (int64_t row = 0; row < batch; ++row) {
          const auto all = Candidates({.first = first, .batch = batch, .row = row, .size = size});
          const auto is_inside = [&](int64_t position) { return position >= first && position < first + batch; };
          EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), static_cast<size_t>(size));
          for (const int64_t position : all) ASSERT_TRUE(position >= 0 && position < size);
          for (size_t k = 1; k < all.size(); ++k) EXPECT_EQ(is_inside(all[k]), k + batch > all.size());
        }
      }
    }
  }
}

// As long as whole batches are left, no two rows of a batch try the same sample.
TEST(Replacement, RowsStayApart) {
  std::set<int64_t> seen;
  for (int64_t row = 0; row < 5; ++row) {
    for (int64_t k = 0; k <= 3; ++k) EXPECT_TRUE(seen.insert(*CandidateOf({5, 5, row, 23}, k)).second);
  }
}

}  // namespace
}  // namespace diptych::train
