// Clusters of unit vectors by the cosine (spherical k-means).
#ifndef DIPTYCH_INDEX_KMEANS_H_
#define DIPTYCH_INDEX_KMEANS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/context.h"

namespace diptych {

/// Rows in fp16, anywhere in memory: those of several stores at once.
struct HalfRows {
  std::vector<const uint16_t*> rows;  // (N)
  int64_t e = 0;
  int64_t n() const { return static_cast<int64_t>(rows.size()); }
};

/// fp32 copies of `which` rows: (which, E).
void CopyRows(const HalfRows& rows, std::span<const uint32_t> which, float* to);

/// K centroids (K, E), normalised, found from a sample of the rows. The same at any number of threads.
std::vector<float> FindCentroids(Context& context, const HalfRows& rows, int64_t k, uint64_t seed);

/// For each row its `probes` nearest centroids, nearest first: (N, probes), and where `cosines` is not null the cosine
/// with the nearest (N). probes <= K.
std::vector<uint32_t> NearestCentroids(Context& context, const HalfRows& rows, std::span<const float> centroids,
                                       int64_t probes, std::vector<float>* cosines = nullptr);

}  // namespace diptych

#endif  // DIPTYCH_INDEX_KMEANS_H_
