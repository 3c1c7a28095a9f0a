#include "apps/cutoff.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.h"
#include "kernels/products/matmul.h"
#include "kernels/softmax.h"

namespace diptych {
namespace {

constexpr double kSameMeaning = 0.8;  // cosine of a concept with the query
// Softmax over some 200 concepts at a model's own scale spreads too much to other concepts of the same picture, as long
// as these are words alone. Twice the scale was chosen on the labelled sets (docs/store.md); 1.5 to 2.5 differ little.
constexpr double kSharper = 2;
// How far a concept moves toward its pictures, and how many it takes to go half of that: chosen on the labelled sets,
// with the margins and the exception that docs/store.md tells of.
constexpr double kStep = 0.35;
constexpr double kEvidence = 20;
constexpr int64_t kRowsAtOnce = 256;

double Dot(const float* a, const float* b, size_t e) {
  double sum = 0;
  for (size_t i = 0; i < e; ++i) sum += static_cast<double>(a[i] * b[i]);
  return sum;
}

// The weighted sum of pictures that show one concept.
struct Evidence {
  double weight = 0;
  std::vector<double> sum;  // (E)
};

void Move(const Evidence& evidence, std::span<const double> mean, float* concept_row) {
  const double step = kStep / (evidence.weight + kEvidence);
  for (size_t i = 0; i < mean.size(); ++i) {
    concept_row[i] += static_cast<float>(step * (evidence.sum[i] - evidence.weight * mean[i]));
  }
}

// How the concepts (M, E) share the pictures (N, E) out among themselves.
std::vector<Evidence> ShareOut(Context& context, std::span<const float> pictures, std::span<const float> concepts,
                               size_t e, double scale) {
  const auto m = static_cast<int64_t>(concepts.size() / e), n = static_cast<int64_t>(pictures.size() / e);
  const auto width = static_cast<int64_t>(e);
  std::vector<Evidence> evidence(static_cast<size_t>(m), Evidence{.sum = std::vector<double>(e)});
  std::vector<float> shares(static_cast<size_t>(kRowsAtOnce * m)), sums(static_cast<size_t>(m) * e);
  for (int64_t first = 0; first < n; first += kRowsAtOnce) {
    const int64_t some = std::min(kRowsAtOnce, n - first);
    const float* rows = pictures.data() + first * width;
    kernels::MatMul(
        context,
        {.m = some, .n = m, .k = width, .a = rows, .b = concepts.data(), .transpose_b = true, .c = shares.data()});
    for (float& share : std::span(shares).first(static_cast<size_t>(some * m))) share *= static_cast<float>(scale);
    kernels::Softmax(shares.data(), some, m);
    kernels::MatMul(
        context, {.m = m, .n = width, .k = some, .a = shares.data(), .transpose_a = true, .b = rows, .c = sums.data()});
    for (size_t c = 0; c < evidence.size(); ++c) {
      for (int64_t i = 0; i < some; ++i) {
        evidence[c].weight += static_cast<double>(shares[static_cast<size_t>(i * m) + c]);
      }
      for (size_t i = 0; i < e; ++i) evidence[c].sum[i] += static_cast<double>(sums[c * e + i]);
    }
  }
  return evidence;
}

}  // namespace

Competition::Competition(std::vector<float> query, std::vector<float> background, double scale)
    : query_(std::move(query)), background_(std::move(background)), scale_(kSharper * scale) {
  const size_t e = query_.size();
  CHECK_EQ(background_.size() % e, 0u);
  for (size_t i = 0; i < background_.size(); i += e) {
    competes_.push_back(Dot(background_.data() + i, query_.data(), e) < kSameMeaning);
  }
}

void Competition::LearnLooks(Context& context, std::span<const float> sample, std::span<const float> nearest) {
  const size_t e = query_.size();
  CHECK_EQ(sample.size() % e, 0u);
  if (sample.empty()) return;
  std::vector<double> mean(e);
  for (size_t i = 0; i < sample.size(); ++i) mean[i % e] += static_cast<double>(sample[i]);
  for (double& value : mean) value *= static_cast<double>(e) / static_cast<double>(sample.size());

  std::vector<float> rivals = query_;
  for (size_t i = 0; i < competes_.size(); ++i) {
    const float* row = background_.data() + i * e;
    if (competes_[i]) rivals.insert(rivals.end(), row, row + e);
  }
  const Evidence own = ShareOut(context, nearest, rivals, e, scale_)[0];
  const std::vector<Evidence> others = ShareOut(context, sample, background_, e, scale_);
  Move(own, mean, query_.data());
  for (size_t i = 0; i < others.size(); ++i) Move(others[i], mean, background_.data() + i * e);
  scale_ /= kSharper;  // they are told apart by more than words now
}

std::vector<double> Competition::ChancesOfOther(std::span<const float> pictures) const {
  const size_t e = query_.size();
  CHECK_EQ(pictures.size() % e, 0u);
  std::vector<double> chances;
  for (size_t i = 0; i < pictures.size(); i += e) {
    const double own = Dot(pictures.data() + i, query_.data(), e);
    double rest = 0;  // of the exponentials, that of the query being 1
    for (size_t c = 0; c < competes_.size(); ++c) {
      if (!competes_[c]) continue;
      rest += std::exp(scale_ * (Dot(pictures.data() + i, background_.data() + c * e, e) - own));
    }
    chances.push_back(std::isinf(rest) ? 1 : rest / (1 + rest));
  }
  return chances;
}

std::vector<double> ChancesByNull(std::span<const float> scores, std::span<const float> sample, int64_t population) {
  std::vector<float> sorted(sample.begin(), sample.end());
  std::sort(sorted.begin(), sorted.end());
  if (sorted.size() < 2) return std::vector<double>(scores.size(), 0);
  const size_t half = (sorted.size() + 1) / 2;
  const double middle = static_cast<double>(sorted[half - 1]);
  double squares = 0;
  for (size_t i = 0; i < half; ++i) squares += std::pow(static_cast<double>(sorted[i]) - middle, 2);
  const double deviation = std::max(1e-6, std::sqrt(squares / static_cast<double>(half)));
  std::vector<double> chances;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double z = (static_cast<double>(scores[i]) - middle) / deviation;
    const double expected = 0.5 * std::erfc(z / std::sqrt(2.0)) * static_cast<double>(population);
    chances.push_back(std::min(1.0, expected / static_cast<double>(i + 1)));
  }
  // The step-up rule: a picture is kept if any cut below it is good enough.
  for (size_t i = chances.size(); i-- > 1;) chances[i - 1] = std::min(chances[i - 1], chances[i]);
  return chances;
}

size_t CountWithin(std::span<const double> chances, double rate) {
  double sum = 0;
  size_t count = 0;
  while (count < chances.size()) {
    sum += chances[count];
    if (sum > rate * static_cast<double>(count + 1)) break;
    ++count;
  }
  return count;
}

size_t CountLikely(std::span<const double> chances) {
  const auto end = std::upper_bound(chances.begin(), chances.end(), 0.5);
  return static_cast<size_t>(end - chances.begin());
}

}  // namespace diptych
