#include "index/similar_pairs.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <span>

#include "kernels/parallel.h"
#include "kernels/products/matmul.h"
#include "kernels/scan.h"

namespace diptych {
namespace {

constexpr int64_t kAllPairs = 4096;  // rows: fewer are compared with each other at once
constexpr int64_t kRowsOfCluster = 512, kMaxClusters = 8192;
constexpr int64_t kTile = 512;
constexpr float kRounding = 1e-4f;  // of a product in fp32: what is near the threshold is computed again

bool Nearer(const SimilarPair& a, const SimilarPair& b) {
  if (a.cosine != b.cosine) return a.cosine > b.cosine;
  return a.a != b.a ? a.a < b.a : a.b < b.b;
}
bool InOrder(const SimilarPair& a, const SimilarPair& b) {
  return a.a != b.a ? a.a < b.a : a.b < b.b;
}
bool SameRows(const SimilarPair& a, const SimilarPair& b) {
  return a.a == b.a && a.b == b.b;
}

bool Crosses(uint32_t a, uint32_t b, int64_t from) {
  return from == 0 || (int64_t{a} < from) != (int64_t{b} < from);
}

// The one value that a pair has, whichever tile it was met in.
float Cosine(const HalfRows& rows, uint32_t a, uint32_t b) {
  std::vector<float> x(static_cast<size_t>(rows.e));
  CopyRows(rows, std::span(&a, 1), x.data());
  float cosine = 0;
  kernels::ScoreHalves(rows.rows[b], 1, rows.e, rows.e, x.data(), &cosine);
  return cosine;
}

// Rows grouped by a key: those of key c are order[begin[c], begin[c + 1]).
struct Grouping {
  std::vector<uint32_t> order;
  std::vector<int64_t> begin;
  std::span<const uint32_t> Of(int64_t key) const {
    return std::span(order).subspan(
        static_cast<size_t>(begin[static_cast<size_t>(key)]),
        static_cast<size_t>(begin[static_cast<size_t>(key) + 1] - begin[static_cast<size_t>(key)]));
  }
};

// keys (N, probes): a row stands once under each of its keys from the `first`-th on.
Grouping GroupBy(std::span<const uint32_t> keys, int64_t probes, int64_t used, int64_t groups) {
  Grouping grouping;
  grouping.begin.assign(static_cast<size_t>(groups) + 1, 0);
  const int64_t n = static_cast<int64_t>(keys.size()) / probes;
  const auto key = [&](int64_t i, int64_t p) { return keys[static_cast<size_t>(i * probes + p)]; };
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t p = 0; p < used; ++p) ++grouping.begin[key(i, p) + 1];
  }
  std::partial_sum(grouping.begin.begin(), grouping.begin.end(), grouping.begin.begin());
  std::vector<int64_t> next(grouping.begin.begin(), grouping.begin.end() - 1);
  grouping.order.resize(static_cast<size_t>(n * used));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t p = 0; p < used; ++p) {
      grouping.order[static_cast<size_t>(next[key(i, p)]++)] = static_cast<uint32_t>(i);
    }
  }
  return grouping;
}

// Compares each row of `left` with each of `right`, a tile at a time.
class TileSearch {
 public:
  TileSearch(const HalfRows& rows, const PairOptions& options, const PairTest& wanted)
      : rows_(rows), options_(options), wanted_(wanted) {}

  void Compare(std::span<const uint32_t> left, std::span<const uint32_t> right, std::vector<SimilarPair>& found) {
    for (size_t i = 0; i < left.size(); i += kTile) {
      const auto some = left.subspan(i, std::min<size_t>(kTile, left.size() - i));
      x_.resize(some.size() * static_cast<size_t>(rows_.e));
      CopyRows(rows_, some, x_.data());
      for (size_t j = 0; j < right.size(); j += kTile) {
        Tile(some, right.subspan(j, std::min<size_t>(kTile, right.size() - j)), found);
      }
    }
  }

 private:
  void Tile(std::span<const uint32_t> left, std::span<const uint32_t> right, std::vector<SimilarPair>& found) {
    y_.resize(right.size() * static_cast<size_t>(rows_.e));
    scores_.resize(left.size() * right.size());
    CopyRows(rows_, right, y_.data());
    kernels::MatMul(context_, {.m = static_cast<int64_t>(left.size()),
                               .n = static_cast<int64_t>(right.size()),
                               .k = rows_.e,
                               .a = x_.data(),
                               .b = y_.data(),
                               .transpose_b = true,
                               .c = scores_.data()});
    for (size_t i = 0; i < left.size(); ++i) {
      const float* scores = scores_.data() + i * right.size();
      for (size_t j = 0; j < right.size(); ++j) {
        if (!(scores[j] >= options_.cosine - kRounding) || left[i] == right[j]) continue;
        const uint32_t a = std::min(left[i], right[j]), b = std::max(left[i], right[j]);
        // First with what rounding could add: most pairs that are not wanted cost no second product.
        if (!Crosses(a, b, options_.from) || !wanted_(a, b, scores[j] + kRounding)) continue;
        const float cosine = Cosine(rows_, a, b);
        if (cosine >= options_.cosine && wanted_(a, b, cosine)) found.push_back({a, b, cosine});
      }
    }
  }

  const HalfRows& rows_;
  const PairOptions& options_;
  const PairTest& wanted_;
  Context context_{1};
  std::vector<float> x_, y_, scores_;
};

// Of each row its nearest `most`; a pair stays if either of its rows keeps it.
void LimitPairs(std::vector<SimilarPair>& pairs, int64_t n, int64_t most) {
  std::sort(pairs.begin(), pairs.end(), Nearer);
  pairs.erase(std::unique(pairs.begin(), pairs.end(), SameRows), pairs.end());
  std::vector<int32_t> kept(static_cast<size_t>(n));
  std::erase_if(pairs, [&](const SimilarPair& pair) {
    const bool keep = kept[pair.a] < most || kept[pair.b] < most;
    if (keep) ++kept[pair.a], ++kept[pair.b];
    return !keep;
  });
  std::sort(pairs.begin(), pairs.end(), InOrder);
}

}  // namespace

SimilarPairs FindSimilarPairs(Context& context, const HalfRows& rows, const PairOptions& options,
                              const PairTest& wanted) {
  SimilarPairs result;
  const int64_t n = rows.n();
  if (n == 0) return result;
  int64_t clusters = options.clusters;
  if (clusters == 0) clusters = n <= kAllPairs ? 1 : std::clamp<int64_t>(n / kRowsOfCluster, 8, kMaxClusters);
  clusters = std::min(clusters, n);
  const int64_t probes = std::min(options.probes, clusters);
  const std::vector<float> centroids = FindCentroids(context, rows, clusters, options.seed);
  const std::vector<uint32_t> nearest = NearestCentroids(context, rows, centroids, probes, &result.centroid_cosine);
  for (int64_t i = 0; i < n; ++i) result.cluster.push_back(nearest[static_cast<size_t>(i * probes)]);
  const Grouping members = GroupBy(result.cluster, 1, 1, clusters);
  const Grouping visitors = GroupBy(nearest, probes, probes, clusters);

  // A part of a cluster is one piece of work: one large cluster does not leave the other threads idle.
  struct Piece {
    int64_t cluster, begin;
  };
  std::vector<Piece> pieces;
  for (int64_t c = 0; c < clusters; ++c) {
    const int64_t size = static_cast<int64_t>(members.Of(c).size());
    for (int64_t begin = 0; begin < size; begin += kTile) pieces.push_back({c, begin});
  }
  std::mutex mutex;
  kernels::ParallelFor(context, static_cast<int64_t>(pieces.size()), 1, [&](int64_t first, int64_t last) {
    TileSearch search(rows, options, wanted);
    std::vector<SimilarPair> found;
    for (int64_t i = first; i < last; ++i) {
      const auto [cluster, begin] = pieces[static_cast<size_t>(i)];
      const auto left = members.Of(cluster).subspan(static_cast<size_t>(begin));
      search.Compare(left.first(std::min<size_t>(kTile, left.size())), visitors.Of(cluster), found);
    }
    const std::lock_guard lock(mutex);  // their order is settled below
    result.pairs.insert(result.pairs.end(), found.begin(), found.end());
  });
  LimitPairs(result.pairs, n, options.most);
  return result;
}

RecallEstimate EstimateRecall(Context& context, const HalfRows& rows, const PairOptions& options,
                              const PairTest& wanted, const SimilarPairs& found, int64_t samples) {
  const int64_t n = rows.n();
  samples = std::min(samples, n);
  std::vector<uint32_t> all(static_cast<size_t>(n)), some;
  std::iota(all.begin(), all.end(), 0u);
  for (int64_t i = 0; i < samples; ++i) some.push_back(static_cast<uint32_t>(i * n / samples));
  std::vector<SimilarPair> truth;
  std::mutex mutex;
  kernels::ParallelFor(context, n, 8 * kTile, [&](int64_t first, int64_t last) {
    TileSearch search(rows, options, wanted);
    std::vector<SimilarPair> pairs;
    search.Compare(some, std::span(all).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first)), pairs);
    const std::lock_guard lock(mutex);
    truth.insert(truth.end(), pairs.begin(), pairs.end());
  });
  LimitPairs(truth, n, options.most);  // what is left out on purpose is not missed
  RecallEstimate estimate{.pairs = static_cast<int64_t>(truth.size())};
  if (truth.empty()) return estimate;
  int64_t hits = 0;
  for (const SimilarPair& pair : truth) {
    hits += std::binary_search(found.pairs.begin(), found.pairs.end(), pair, InOrder);
  }
  std::vector<bool> paired(static_cast<size_t>(n));
  for (const SimilarPair& pair : truth) paired[pair.a] = paired[pair.b] = true;
  const int64_t trials = std::count_if(some.begin(), some.end(), [&](uint32_t row) { return paired[row]; });
  estimate.share = static_cast<double>(hits) / static_cast<double>(truth.size());
  estimate.least = LeastShare(estimate.share * static_cast<double>(trials), trials);
  return estimate;
}

double LeastShare(double hits, int64_t trials) {
  constexpr double kChance = 0.05;
  const auto n = static_cast<double>(trials);
  if (hits <= 0) return 0;
  // The chance of `hits` or more out of n at a share of p; whole numbers only, so that half a hit counts as none.
  const auto tail = [&](double p) {
    double sum = 0;
    for (double k = std::floor(hits); k <= n; ++k) {
      const double ways = std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
      const double misses = n - k > 0 ? (n - k) * std::log1p(-p) : 0;
      sum += std::exp(ways + k * std::log(p) + misses);
    }
    return sum;
  };
  double low = 0, high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (tail(middle) < kChance ? low : high) = middle;
  }
  return low;
}

}  // namespace diptych
