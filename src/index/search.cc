#include "index/search.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/parallel.h"
#include "kernels/scan.h"

namespace diptych {
namespace {

constexpr int64_t kChunk = 4096;            // rows: their sketch scores, 8 KB, stay in the first cache
constexpr int64_t kWorthSketching = 50000;  // vectors: a plain scan of fewer takes some milliseconds

bool Better(const Neighbor& a, const Neighbor& b) {
  return a.score != b.score ? a.score > b.score : a.slot < b.slot;
}

void KeepBest(std::vector<Neighbor>& found, size_t k) {
  if (found.size() > k) {
    std::nth_element(found.begin(), found.begin() + static_cast<int64_t>(k), found.end(), Better);
    found.resize(k);
  }
}

// The best k that one thread has met; trimmed now and then, so that a row costs one comparison.
class BestRows {
 public:
  explicit BestRows(size_t k) : k_(k) {}
  void Add(int64_t slot, float score) {
    if (!(score >= worst_)) return;  // NaN is never a neighbour
    found_.push_back({slot, score});
    if (found_.size() < 2 * k_ + 64) return;
    KeepBest(found_, k_);
    worst_ = std::max_element(found_.begin(), found_.end(), Better)->score;
  }
  std::vector<Neighbor>& found() { return found_; }

 private:
  size_t k_;
  float worst_ = -std::numeric_limits<float>::infinity();
  std::vector<Neighbor> found_;
};

std::vector<Neighbor> Merge(std::vector<BestRows>& parts, int64_t k) {
  std::vector<Neighbor> all;
  for (BestRows& part : parts) all.insert(all.end(), part.found().begin(), part.found().end());
  KeepBest(all, static_cast<size_t>(k));
  std::sort(all.begin(), all.end(), Better);
  return all;
}

// The best rows by their sketches, likewise: the same rows, whichever thread met them.
class BestSketches {
 public:
  explicit BestSketches(size_t k) : k_(k) {}

  void Add(const int16_t* scores, int64_t n, int64_t first, const SlotSet* allowed) {
    slots_.resize(static_cast<size_t>(n));
    slots_.resize(kernels::SelectAbove(scores, n, threshold_, static_cast<uint32_t>(first), slots_.data()));
    for (const uint32_t slot : slots_) {
      if (allowed == nullptr || allowed->Has(slot)) found_.emplace_back(scores[slot - first], slot);
    }
    if (found_.size() >= 2 * k_) Trim();
  }
  void Trim() {
    if (found_.size() <= k_) return;
    std::nth_element(found_.begin(), found_.begin() + static_cast<int64_t>(k_) - 1, found_.end(), After);
    found_.resize(k_);
    // Rows come in rising order within a thread: one of equal score that comes later is not among the first k.
    threshold_ = found_.back().first;
  }
  const std::vector<std::pair<int16_t, uint32_t>>& found() const { return found_; }
  static bool After(const std::pair<int16_t, uint32_t>& a, const std::pair<int16_t, uint32_t>& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  }

 private:
  size_t k_;
  int16_t threshold_ = std::numeric_limits<int16_t>::min();
  std::vector<std::pair<int16_t, uint32_t>> found_;
  std::vector<uint32_t> slots_;
};

// Reads rows [begin, end) of the vectors, or those of `listed` where there is a list.
void ScanRows(Context& context, const SearchSpace& space, std::span<const float> query, int64_t begin, int64_t end,
              std::vector<BestRows>& best) {
  const VectorMapping& vectors = *space.vectors;
  const int64_t e = vectors.e();
  kernels::ParallelForRanked(context, end - begin, kChunk, [&](int64_t first, int64_t last, int rank) {
    std::vector<float> scores(static_cast<size_t>(std::min(kChunk, last - first)));
    for (int64_t row = begin + first; row < begin + last; row += kChunk) {
      const int64_t n = std::min(kChunk, begin + last - row);
      kernels::ScoreHalves(vectors.data() + row * e, n, e, e, query.data(), scores.data());
      for (int64_t i = 0; i < n; ++i) {
        if (space.allowed != nullptr && !space.allowed->Has(row + i)) continue;
        best[static_cast<size_t>(rank)].Add(row + i, scores[static_cast<size_t>(i)]);
      }
    }
  });
}

void ScanListed(Context& context, const SearchSpace& space, std::span<const float> query,
                const std::vector<uint32_t>& listed, std::vector<BestRows>& best) {
  const VectorMapping& vectors = *space.vectors;
  constexpr int64_t kGrain = 512;
  kernels::ParallelForRanked(
      context, static_cast<int64_t>(listed.size()), kGrain, [&](int64_t first, int64_t last, int rank) {
        std::vector<float> scores(static_cast<size_t>(last - first));
        kernels::ScoreHalvesAt(vectors.data(), listed.data() + first, last - first, vectors.e(), vectors.e(),
                               query.data(), scores.data());
        for (int64_t i = first; i < last; ++i) {
          best[static_cast<size_t>(rank)].Add(listed[static_cast<size_t>(i)], scores[static_cast<size_t>(i - first)]);
        }
      });
}

// The rows whose sketches score best, in order of their place.
std::vector<uint32_t> PickCandidates(Context& context, const SearchSpace& space, std::span<const float> query,
                                     int64_t count) {
  const Sketch& sketch = *space.sketch;
  const std::vector<kernels::SketchGroup> groups = sketch.Project(query);
  const int64_t block_bytes = kernels::SketchBlockBytes(sketch.dims());
  std::vector<BestSketches> best(static_cast<size_t>(context.threads()), BestSketches(static_cast<size_t>(count)));
  kernels::ParallelForRanked(context, sketch.rows(), 8 * kChunk, [&](int64_t first, int64_t last, int rank) {
    std::vector<int16_t> scores(static_cast<size_t>(kChunk));
    for (int64_t row = first; row < last; row += kChunk) {
      const int64_t n = std::min(kChunk, last - row);
      const int64_t blocks = (n + kernels::kSketchRows - 1) / kernels::kSketchRows;
      kernels::ScoreSketches(sketch.blocks() + row / kernels::kSketchRows * block_bytes, blocks, sketch.dims(),
                             groups, scores.data());
      best[static_cast<size_t>(rank)].Add(scores.data(), n, row, space.allowed);
    }
  });
  std::vector<std::pair<int16_t, uint32_t>> all;
  for (const BestSketches& part : best) all.insert(all.end(), part.found().begin(), part.found().end());
  if (static_cast<int64_t>(all.size()) > count) {
    std::nth_element(all.begin(), all.begin() + count, all.end(), BestSketches::After);
    all.resize(static_cast<size_t>(count));
  }
  std::vector<uint32_t> slots;
  for (const auto& [score, slot] : all) slots.push_back(slot);
  std::sort(slots.begin(), slots.end());
  return slots;
}

std::vector<uint32_t> ListAllowed(const SearchSpace& space) {
  std::vector<uint32_t> listed;
  for (int64_t slot = 0; slot < space.vectors->rows(); ++slot) {
    if (space.allowed->Has(slot)) listed.push_back(static_cast<uint32_t>(slot));
  }
  return listed;
}

}  // namespace

std::vector<Neighbor> FindNearest(Context& context, const SearchSpace& space, std::span<const float> query,
                                  const SearchLimits& limits) {
  const int64_t rows = space.vectors->rows();
  CHECK_EQ(static_cast<int64_t>(query.size()), space.vectors->e());
  const int64_t k = std::min(limits.k, rows);
  if (k <= 0) return {};
  std::vector<BestRows> best(static_cast<size_t>(context.threads()), BestRows(static_cast<size_t>(k)));
  int64_t candidates = limits.candidates;
  if (candidates == 0) candidates = std::max(std::clamp<int64_t>(rows / 250, 4096, 32768), 64 * k);
  const bool few = space.allowed != nullptr && space.allowed_count <= std::max(candidates, rows / 16);
  const bool sketched = !limits.exact && !few && space.sketch != nullptr && candidates < space.sketch->rows() / 2;
  if (few) {
    ScanListed(context, space, query, ListAllowed(space), best);
  } else if (sketched) {
    ScanListed(context, space, query, PickCandidates(context, space, query, candidates), best);
    ScanRows(context, space, query, space.sketch->rows(), rows, best);  // what came after the sketches were made
  } else {
    ScanRows(context, space, query, 0, rows, best);
  }
  return Merge(best, k);
}

std::vector<uint32_t> SampleSlots(const SearchSpace& space, int64_t n) {
  const int64_t rows = space.vectors->rows(), step = std::max<int64_t>(1, rows / std::max<int64_t>(1, n));
  std::vector<uint32_t> slots;
  for (int64_t row = step / 2; row < rows; row += step) {
    if (space.allowed == nullptr || space.allowed->Has(row)) slots.push_back(static_cast<uint32_t>(row));
  }
  return slots;
}

std::optional<Sketch> OpenSketch(const Store& store) {
  if (store.slots() < kWorthSketching) return std::nullopt;
  Result<Sketch> sketch = Sketch::Open(store.SketchPath(), store.vectors());
  if (!sketch.ok()) return std::nullopt;  // derived data: its loss costs time, not answers
  return std::move(*sketch);
}

Status RefreshSketch(Context& context, const Store& store) {
  if (store.slots() < kWorthSketching) return Status::Ok();
  const std::optional<Sketch> sketch = OpenSketch(store);
  if (sketch && sketch->rows() > store.slots() / 10 * 9 && sketch->Verify().ok()) return Status::Ok();
  return Sketch::Build(context, store.vectors(), store.SketchPath());
}

}  // namespace diptych
