// All pairs of vectors that are nearly the same, without comparing all with all.
#ifndef DIPTYCH_INDEX_SIMILAR_PAIRS_H_
#define DIPTYCH_INDEX_SIMILAR_PAIRS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "core/context.h"
#include "index/kmeans.h"

namespace diptych {

struct SimilarPair {
  uint32_t a = 0, b = 0;  // row numbers, a < b
  float cosine = 0;
};

struct PairOptions {
  float cosine = 0.9f;   // pairs of at least this
  int64_t clusters = 0;  // 0: chosen by the number of rows; 1: all pairs are compared
  int64_t probes = 4;    // a row is compared with the clusters of this many nearest centroids
  int64_t from = 0;      // only pairs of a row before this one with one after it; 0: all pairs
  int64_t most = 64;     // pairs that a row keeps, its nearest
  uint64_t seed = 0;
};

/// Whether a pair of a cosine high enough is wanted. A pair that is wanted at some cosine is wanted at any higher one.
/// Called by several threads at once.
using PairTest = std::function<bool(uint32_t a, uint32_t b, float cosine)>;

struct SimilarPairs {
  std::vector<SimilarPair> pairs;      // by a, then b
  std::vector<uint32_t> cluster;       // of each row
  std::vector<float> centroid_cosine;  // with the centroid of it
};

/// The rows are clustered (k-means, as SemDeDup), and within a cluster each of its rows is compared with each that has
/// it among its probes. Deterministic, at any number of threads. Memory: some 20 bytes a row, and the pairs.
SimilarPairs FindSimilarPairs(Context& context, const HalfRows& rows, const PairOptions& options,
                              const PairTest& wanted);

/// What is known of the share of all wanted pairs that was found.
struct RecallEstimate {
  double share = 1;   // of those that were looked up
  double least = 0;   // of all pairs, with 95 % confidence
  int64_t pairs = 0;  // that were looked up; 0: nothing is known
};

/// Compares `samples` rows, evenly taken, with every other one, and looks up the wanted pairs among `found`. The pairs
/// of one row are found or missed together: the confidence is that of as many independent trials as rows have any.
RecallEstimate EstimateRecall(Context& context, const HalfRows& rows, const PairOptions& options,
                              const PairTest& wanted, const SimilarPairs& found, int64_t samples);

/// The lowest share that would still give `hits` of `trials` or more in one case of twenty (Clopper and Pearson, 1934).
double LeastShare(double hits, int64_t trials);

}  // namespace diptych

#endif  // DIPTYCH_INDEX_SIMILAR_PAIRS_H_
