#include "index/kmeans.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/rng.h"
#include "kernels/convert.h"
#include "kernels/parallel.h"
#include "kernels/products/matmul.h"

namespace diptych {
namespace {

constexpr int64_t kSamplesOfCluster = 64;
constexpr int kIterations = 8;
constexpr int64_t kRowsAtOnce = 256;

void Normalize(float* row, int64_t e) {
  double squares = 0;
  for (int64_t i = 0; i < e; ++i) squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
  for (int64_t i = 0; i < e; ++i) row[i] *= scale;
}

// Centroids at random rows. Empty clusters keep theirs.
std::vector<float> Start(const HalfRows& sample, int64_t k, Rng& rng) {
  std::vector<uint32_t> which(static_cast<size_t>(sample.n()));
  std::iota(which.begin(), which.end(), 0u);
  Shuffle(std::span(which), rng);
  which.resize(static_cast<size_t>(k));
  std::vector<float> centroids(static_cast<size_t>(k * sample.e));
  CopyRows(sample, which, centroids.data());
  return centroids;
}

}  // namespace

void CopyRows(const HalfRows& rows, std::span<const uint32_t> which, float* to) {
  for (size_t i = 0; i < which.size(); ++i) {
    kernels::ToFloat(TensorView(rows.rows[which[i]], DType::kF16, Shape{rows.e}), to + i * static_cast<size_t>(rows.e));
  }
}

std::vector<uint32_t> NearestCentroids(Context& context, const HalfRows& rows, std::span<const float> centroids,
                                       int64_t probes, std::vector<float>* cosines) {
  const int64_t n = rows.n(), e = rows.e, k = static_cast<int64_t>(centroids.size()) / e;
  CHECK_LE(probes, k);
  std::vector<uint32_t> nearest(static_cast<size_t>(n * probes));
  if (cosines != nullptr) cosines->resize(static_cast<size_t>(n));
  // Each piece is one thread's, its product too: sums do not depend on how many threads there are.
  kernels::ParallelFor(context, n, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    Context alone(1);
    for (int64_t first = begin; first < end; first += kRowsAtOnce) {
      const int64_t some = std::min(kRowsAtOnce, end - first);
      std::vector<uint32_t> which(static_cast<size_t>(some)), order(static_cast<size_t>(k));
      std::iota(which.begin(), which.end(), static_cast<uint32_t>(first));
      std::vector<float> x(static_cast<size_t>(some * e)), scores(static_cast<size_t>(some * k));
      CopyRows(rows, which, x.data());
      kernels::MatMul(
          alone,
          {.m = some, .n = k, .k = e, .a = x.data(), .b = centroids.data(), .transpose_b = true, .c = scores.data()});
      for (int64_t i = 0; i < some; ++i) {
        const float* score = scores.data() + i * k;
        std::iota(order.begin(), order.end(), 0u);
        std::partial_sort(order.begin(), order.begin() + probes, order.end(), [score](uint32_t a, uint32_t b) {
          return score[a] != score[b] ? score[a] > score[b] : a < b;
        });
        std::copy_n(order.begin(), probes, nearest.begin() + (first + i) * probes);
        if (cosines != nullptr) (*cosines)[static_cast<size_t>(first + i)] = score[order[0]];
      }
    }
  });
  return nearest;
}

std::vector<float> FindCentroids(Context& context, const HalfRows& rows, int64_t k, uint64_t seed) {
  const int64_t e = rows.e, samples = std::min(rows.n(), kSamplesOfCluster * k);
  CHECK_LE(k, rows.n());
  HalfRows sample{.e = e};
  for (int64_t i = 0; i < samples; ++i) sample.rows.push_back(rows.rows[static_cast<size_t>(i * rows.n() / samples)]);
  Rng rng(seed, StreamOf("kmeans"));
  std::vector<float> centroids = Start(sample, k, rng);
  std::vector<float> row(static_cast<size_t>(e));
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    const std::vector<uint32_t> nearest = NearestCentroids(context, sample, centroids, 1);
    std::vector<double> sums(centroids.size());
    std::vector<int64_t> counts(static_cast<size_t>(k));
    for (uint32_t i = 0; i < static_cast<uint32_t>(samples); ++i) {
      CopyRows(sample, std::span(&i, 1), row.data());
      double* sum = sums.data() + static_cast<int64_t>(nearest[i]) * e;
      for (int64_t j = 0; j < e; ++j) sum[j] += static_cast<double>(row[static_cast<size_t>(j)]);
      ++counts[nearest[i]];
    }
    for (int64_t c = 0; c < k; ++c) {
      if (counts[static_cast<size_t>(c)] == 0) continue;
      for (int64_t j = 0; j < e; ++j) {
        centroids[static_cast<size_t>(c * e + j)] = static_cast<float>(sums[static_cast<size_t>(c * e + j)]);
      }
      Normalize(centroids.data() + c * e, e);
    }
  }
  return centroids;
}

}  // namespace diptych
