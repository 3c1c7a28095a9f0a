#include "apps/cutoff.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace diptych {
namespace {

constexpr double kSameMeaning = 0.8;  // cosine of a concept with the query
// Softmax over some 200 concepts at a model's own scale spreads too much to other concepts of the same picture. Twice
// the scale was chosen on the labelled sets (docs/store.md); 1.5 to 2.5 differ little.
constexpr double kSharper = 2;

double Dot(const float* a, const float* b, size_t e) {
  double sum = 0;
  for (size_t i = 0; i < e; ++i) sum += static_cast<double>(a[i] * b[i]);
  return sum;
}

}  // namespace

std::vector<double> ChancesOfOther(std::span<const float> pictures, std::span<const float> query,
                                   std::span<const float> background, double scale) {
  const size_t e = query.size();
  CHECK_EQ(pictures.size() % e, 0u);
  CHECK_EQ(background.size() % e, 0u);
  std::vector<const float*> others;
  for (size_t i = 0; i < background.size(); i += e) {
    if (Dot(background.data() + i, query.data(), e) < kSameMeaning) others.push_back(background.data() + i);
  }
  std::vector<double> chances;
  for (size_t i = 0; i < pictures.size(); i += e) {
    const double own = Dot(pictures.data() + i, query.data(), e);
    double rest = 0;  // of the exponentials, that of the query being 1
    for (const float* other : others) rest += std::exp(kSharper * scale * (Dot(pictures.data() + i, other, e) - own));
    chances.push_back(rest / (1 + rest));
    if (std::isinf(rest)) chances.back() = 1;
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
