#include "text/selected_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace diptych {
namespace {

using Ids = std::vector<int32_t>;

struct Batch {
  explicit Batch(const std::vector<Ids>& texts) {
    for (const Ids& text : texts) {
      ids.insert(ids.end(), text.begin(), text.end());
      lengths.push_back(static_cast<int32_t>(text.size()));
      pooled.push_back(lengths.back() - 1);
    }
  }
  TextRows rows() const { return {ids, lengths, pooled}; }

  Ids ids, lengths, pooled;
};

// The ids of each text as its pooled row sees them: its own sequence behind those of its ancestors.
std::vector<Ids> Seen(const SelectedRows& rows) {
  std::vector<Ids> texts, sequences;
  size_t begin = 0, leaf = 0;
  for (size_t s = 0; s < rows.lengths.size(); ++s) {
    Ids seen = rows.parents.empty() || rows.parents[s] < 0 ? Ids() : sequences[static_cast<size_t>(rows.parents[s])];
    EXPECT_EQ(rows.firsts[s], static_cast<int32_t>(seen.size()));
    const std::span<const int32_t> own = rows.ids.subspan(begin, static_cast<size_t>(rows.lengths[s]));
    seen.insert(seen.end(), own.begin(), own.end());
    begin += own.size();
    if (rows.queries.empty() || rows.queries[s] == 1) {
      const size_t row = static_cast<size_t>(rows.pooled[leaf++]);
      EXPECT_EQ(row, begin - 1);
      texts.push_back(seen);
    }
    sequences.push_back(std::move(seen));
  }
  EXPECT_EQ(begin, rows.ids.size());
  EXPECT_EQ(leaf, rows.pooled.size());
  return texts;
}

TEST(SelectedRows, NothingBehindThePooledRow) {
  Batch batch({{1, 2, 3, 4}, {1, 5, 6}});
  batch.pooled = {1, 2};
  Arena arena;
  EXPECT_EQ(Seen(RowsToPooled(arena, batch.rows())), (std::vector<Ids>{{1, 2}, {1, 5, 6}}));
  const SelectedRows all = AllRows(arena, batch.rows());
  EXPECT_EQ(all.ids.size(), 7u);
  EXPECT_EQ(all.pooled[0], 1);
  EXPECT_EQ(all.pooled[1], 6);
}

TEST(SelectedRows, BeginningsAreComputedOnce) {
  const std::vector<Ids> texts{{1, 2, 3, 4, 9}, {1, 2, 3, 5, 9}, {1, 2, 3, 6, 7, 8, 9}, {1, 2, 3, 6, 7, 8, 8, 9},
                               {1, 3, 9},       {1, 4, 9}};
  const Batch batch(texts);
  Arena arena;
  const SelectedRows rows = SharedRowsToPooled(arena, batch.rows());
  EXPECT_EQ(Seen(rows), texts);
  // 1 | 2 3 | 4 9 | 5 9 | 6 7 8 | 9 | 8 9 | 3 9 | 4 9
  EXPECT_EQ(rows.ids.size(), 17u);
  EXPECT_EQ(rows.lengths.size(), 9u);
}

TEST(SelectedRows, FewRowsAreNotWorthASequence) {
  const std::vector<Ids> texts{{1, 2, 9}, {1, 3, 9}, {1, 4, 9}};
  const Batch batch(texts);
  Arena arena;
  const SelectedRows rows = SharedRowsToPooled(arena, batch.rows());
  EXPECT_EQ(Seen(rows), texts);
  EXPECT_EQ(rows.ids.size(), 9u);
}

TEST(SelectedRows, EqualTextsKeepTheirLastRow) {
  const std::vector<Ids> texts{{1, 2, 3, 9}, {1, 2, 3, 9}, {1, 2, 3, 9}};
  const Batch batch(texts);
  Arena arena;
  const SelectedRows rows = SharedRowsToPooled(arena, batch.rows());
  EXPECT_EQ(Seen(rows), texts);
  EXPECT_EQ(rows.ids.size(), 6u);
}

TEST(SelectedRows, AnyOrderAndNone) {
  const std::vector<Ids> texts{{5, 1, 2, 3}, {7, 9}, {5, 1, 2, 4}, {7, 8}, {5}};
  const Batch batch(texts), none({});
  Arena arena;
  EXPECT_EQ(Seen(SharedRowsToPooled(arena, batch.rows())), texts);
  EXPECT_TRUE(Seen(SharedRowsToPooled(arena, none.rows())).empty());
}

TEST(SelectedRows, RandomTreesHoldEveryText) {
  uint32_t state = 1;
  const auto next = [&](uint32_t n) { return (state = state * 1664525u + 1013904223u) / 65536u % n; };
  for (int round = 0; round < 200; ++round) {
    std::vector<Ids> texts(1 + next(40));
    for (Ids& text : texts) {
      text.resize(1 + next(9));
      for (int32_t& id : text) id = static_cast<int32_t>(next(3));
    }
    if (round % 2 == 0) std::sort(texts.begin(), texts.end());
    const Batch batch(texts);
    Arena arena;
    const SelectedRows rows = SharedRowsToPooled(arena, batch.rows());
    EXPECT_EQ(Seen(rows), texts);
    EXPECT_LE(rows.ids.size(), batch.ids.size());
  }
}

}  // namespace
}  // namespace diptych
