#include "index/search.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>
#include <random>

#include "core/half.h"
#include "index/principal.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

// Vectors in clusters, with a spectrum that falls as that of pictures does, in a file.
class SearchTest : public testing::Test {
 protected:
  static constexpr int64_t kRows = 30000, kE = 48;

  void SetUp() override {
    path_ = testing::TempDir() + "search_test." + std::to_string(::getpid());
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<float> centres(static_cast<size_t>(300 * kE));
    for (float& c : centres) c = normal(engine);
    VectorWriter writer = *VectorWriter::Open(SystemStorage(), path_, kE, 0);
    std::vector<uint16_t> row(static_cast<size_t>(kE));
    std::vector<float> x(static_cast<size_t>(kE));
    for (int64_t i = 0; i < kRows; ++i) {
      const size_t centre = engine() % 300;
      double squares = 0;
      for (size_t j = 0; j < x.size(); ++j) {
        x[j] =
            (centres[centre * x.size() + j] + 0.7f * normal(engine) + 0.5f) / std::sqrt(1.0f + static_cast<float>(j));
        squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
      }
      for (size_t j = 0; j < x.size(); ++j) row[j] = FloatToHalf(x[j] / static_cast<float>(std::sqrt(squares)));
      ASSERT_TRUE(writer.Append(row).ok());
    }
    vectors_ = *VectorMapping::Open(path_, kE, kRows);
  }
  void TearDown() override {
    fs::remove(path_);
    fs::remove(path_ + ".sketch");
  }

  std::vector<float> Query(int64_t row) const {
    std::mt19937 engine(static_cast<uint32_t>(row));
    std::normal_distribution<float> noise(0, 0.03f);
    std::vector<float> query;
    for (const uint16_t half : vectors_.Row(row)) query.push_back(HalfToFloat(half) + noise(engine));
    return query;
  }

  std::vector<Neighbor> Naive(std::span<const float> query, int64_t k, const SlotSet* allowed) const {
    std::vector<std::pair<double, int64_t>> all;
    for (int64_t i = 0; i < kRows; ++i) {
      if (allowed != nullptr && !allowed->Has(i)) continue;
      double dot = 0;
      for (size_t j = 0; j < query.size(); ++j) {
        dot += static_cast<double>(query[j]) * static_cast<double>(HalfToFloat(vectors_.Row(i)[j]));
      }
      all.emplace_back(-dot, i);
    }
    std::sort(all.begin(), all.end());
    std::vector<Neighbor> best;
    for (int64_t i = 0; i < std::min<int64_t>(k, static_cast<int64_t>(all.size())); ++i) {
      best.push_back({all[static_cast<size_t>(i)].second, static_cast<float>(-all[static_cast<size_t>(i)].first)});
    }
    return best;
  }

  std::string path_;
  VectorMapping vectors_;
};

void ExpectSame(const std::vector<Neighbor>& found, const std::vector<Neighbor>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i].score, expected[i].score, 1e-5);
    if (found[i].slot != expected[i].slot) {  // a tie
      EXPECT_NEAR(found[i].score, expected[i].score, 1e-6);
    }
  }
}

TEST_F(SearchTest, ExactEqualsALoop) {
  Context context(2);
  const SearchSpace space = {.vectors = &vectors_};
  for (const int64_t k : {1, 10, 257}) {
    const std::vector<float> query = Query(k);
    ExpectSame(FindNearest(context, space, query, {.k = k, .exact = true}), Naive(query, k, nullptr));
  }
  EXPECT_TRUE(FindNearest(context, space, Query(0), {.k = 0}).empty());
  EXPECT_EQ(FindNearest(context, space, Query(0), {.k = kRows + 5}).size(), static_cast<size_t>(kRows));
}

TEST_F(SearchTest, FiltersWithinTheScan) {
  Context context(2);
  for (const int64_t every : {2, 7, 1000, 40000}) {
    SlotSet allowed(kRows);
    int64_t count = 0;
    for (int64_t i = 0; i < kRows; i += every, ++count) allowed.Add(i);
    const SearchSpace space = {.vectors = &vectors_, .allowed = &allowed, .allowed_count = count};
    const std::vector<float> query = Query(every % kRows);
    ExpectSame(FindNearest(context, space, query, {.k = 20}), Naive(query, 20, &allowed));
  }
}

TEST_F(SearchTest, SketchesFindTheSame) {
  Context context(2);
  ASSERT_TRUE(Sketch::Build(context, vectors_, path_ + ".sketch").ok());
  const Sketch sketch = *Sketch::Open(path_ + ".sketch", vectors_);
  EXPECT_EQ(sketch.rows(), kRows);
  EXPECT_TRUE(sketch.Verify().ok());
  SlotSet half(kRows);
  for (int64_t i = 0; i < kRows; i += 2) half.Add(i);
  int64_t hits = 0, all = 0;
  for (int64_t row = 0; row < kRows; row += 601) {
    for (const SlotSet* allowed : {static_cast<const SlotSet*>(nullptr), static_cast<const SlotSet*>(&half)}) {
      const SearchSpace space = {
          .vectors = &vectors_, .sketch = &sketch, .allowed = allowed, .allowed_count = kRows / 2};
      const std::vector<float> query = Query(row);
      const auto expected = Naive(query, 10, allowed);
      const auto found = FindNearest(context, space, query, {.k = 10, .candidates = 600});
      ASSERT_EQ(found.size(), 10u);
      for (const Neighbor& neighbor : found) {
        hits +=
            std::any_of(expected.begin(), expected.end(), [&](const Neighbor& n) { return n.slot == neighbor.slot; });
        ++all;
      }
      Context alone(1);
      const auto again = FindNearest(alone, space, query, {.k = 10, .candidates = 600});
      for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(again[i].slot, found[i].slot);  // at any number of threads
    }
  }
  EXPECT_GE(static_cast<double>(hits) / static_cast<double>(all), 0.999);
}

TEST_F(SearchTest, SketchesAreTheSameAtAnyNumberOfThreads) {
  // Behind the last whole piece: a full block and one of two rows, which two threads share.
  const VectorMapping some = *VectorMapping::Open(path_, kE, 17 * kernels::kSketchRows + 2);
  std::string files[2];
  for (const int threads : {1, 2}) {
    Context context(threads);
    ASSERT_TRUE(Sketch::Build(context, some, path_ + ".sketch").ok());
    std::ifstream file(path_ + ".sketch", std::ios::binary);
    files[threads - 1].assign(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_TRUE(files[0] == files[1]);
}

// As texts ask of pictures: of what rows differ in least, the query has most.
TEST_F(SearchTest, AQueryReadsTheCoordinatesThatItAsksAbout) {
  constexpr int64_t kMany = 20000, kWide = 256, kBest = 10;
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<size_t>(kMany * kWide));
  {
    VectorWriter writer = *VectorWriter::Open(SystemStorage(), path_ + ".wide", kWide, 0);
    std::vector<uint16_t> halves(kWide);
    for (int64_t i = 0; i < kMany; ++i) {
      for (int64_t j = 0; j < kWide; ++j) {
        const float x = 0.1f * normal(engine) / std::sqrt(1 + 0.1f * static_cast<float>(j));
        halves[static_cast<size_t>(j)] = FloatToHalf(x);
        rows[static_cast<size_t>(i * kWide + j)] = HalfToFloat(halves[static_cast<size_t>(j)]);
      }
      ASSERT_TRUE(writer.Append(halves).ok());
    }
  }
  const VectorMapping vectors = *VectorMapping::Open(path_ + ".wide", kWide, kMany);
  Context context(2);
  ASSERT_TRUE(Sketch::Build(context, vectors, path_ + ".sketch").ok());
  const Sketch sketch = *Sketch::Open(path_ + ".sketch", vectors);
  fs::remove(path_ + ".wide");
  EXPECT_EQ(sketch.dims(), kWide);
  int64_t hits = 0;
  constexpr int kQueries = 20;
  for (int q = 0; q < kQueries; ++q) {
    std::vector<float> query;
    for (int64_t j = 0; j < kWide; ++j) query.push_back(normal(engine) * 0.01f * static_cast<float>(j));
    std::vector<std::pair<float, int64_t>> scores;
    for (int64_t i = 0; i < kMany; ++i) {
      scores.emplace_back(std::inner_product(query.begin(), query.end(), rows.begin() + i * kWide, 0.0f), i);
    }
    std::nth_element(scores.begin(), scores.begin() + kBest, scores.end(), std::greater());
    const std::vector<Neighbor> found =
        FindNearest(context, {.vectors = &vectors, .sketch = &sketch}, query, {.k = kBest, .candidates = 400});
    for (const Neighbor& n : found) {
      hits += std::any_of(scores.begin(), scores.begin() + kBest, [&](const auto& s) { return s.second == n.slot; });
    }
    const std::vector<kernels::SketchGroup> groups = sketch.Project(query);
    EXPECT_LT(groups.size(), kWide / 4);
    EXPECT_GT(groups.back().index, kWide / 4 - 4);
  }
  EXPECT_GE(hits, kQueries * kBest * 99 / 100);
}

TEST_F(SearchTest, RowsBeyondTheSketchesAreFound) {
  Context context(2);
  const VectorMapping first = *VectorMapping::Open(path_, kE, kRows - 1000);
  ASSERT_TRUE(Sketch::Build(context, first, path_ + ".sketch").ok());
  const Sketch sketch = *Sketch::Open(path_ + ".sketch", vectors_);
  const SearchSpace space = {.vectors = &vectors_, .sketch = &sketch};
  const std::vector<float> query = Query(kRows - 3);
  EXPECT_EQ(FindNearest(context, space, query, {.k = 1, .candidates = 600})[0].slot, kRows - 3);
  // A sketch of more rows than there are is another store's.
  EXPECT_FALSE(Sketch::Open(path_ + ".sketch", *VectorMapping::Open(path_, kE, 1000)).ok());
}

TEST_F(SearchTest, DamagedSketchesAreRefused) {
  Context context(1);
  const std::string path = path_ + ".sketch";
  ASSERT_TRUE(Sketch::Build(context, vectors_, path).ok());
  const auto size = fs::file_size(path);
  for (const int64_t at : {0, 8, 12, 16, 24, 30, 40, 48, 70, 100, 5000}) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 0x21));
    file.flush();
    EXPECT_FALSE(Sketch::Open(path, vectors_).ok()) << at;
    file.seekp(at);
    file.put(byte);
  }
  for (const uintmax_t bytes : {uintmax_t{0}, uintmax_t{63}, uintmax_t{64}, size - 1}) {
    fs::resize_file(path, bytes);
    EXPECT_FALSE(Sketch::Open(path, vectors_).ok()) << bytes;
  }
}

TEST(Principal, FindsTheDirections) {
  // Two directions vary, one of them more; the third does not.
  std::mt19937 engine(2);
  std::normal_distribution<float> normal;
  std::vector<float> rows;
  for (int i = 0; i < 2000; ++i) {
    const float a = 3 * normal(engine), b = normal(engine);
    rows.insert(rows.end(), {a + 1, 0.6f * b + 2, 0.8f * b + 3});
  }
  Context context(1);
  const PrincipalComponents found = FindPrincipalComponents(context, rows, 3, 3);
  EXPECT_NEAR(found.mean[0], 1, 0.2);
  EXPECT_NEAR(found.mean[2], 3, 0.1);
  EXPECT_NEAR(std::abs(found.basis[0]), 1, 0.01);
  EXPECT_NEAR(std::abs(found.basis[4]), 0.6, 0.03);
  EXPECT_NEAR(std::abs(found.basis[5]), 0.8, 0.03);
  EXPECT_NEAR(found.deviation[0], 3, 0.2);
  EXPECT_NEAR(found.deviation[1], 1, 0.1);
  EXPECT_NEAR(found.deviation[2], 0, 0.01);
}

}  // namespace
}  // namespace diptych
