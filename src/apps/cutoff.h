// Where an answer ends. No fixed score works: what a good one is differs from query to query.
#ifndef DIPTYCH_APPS_CUTOFF_H_
#define DIPTYCH_APPS_CUTOFF_H_

#include <cstdint>
#include <span>
#include <vector>

namespace diptych {

/// The chance that each of N pictures shows something else than the words of a query: the query competes with the
/// background's concepts (apps/background.h) for the picture, by softmax; concepts that mean nearly the same as the
/// query (a cosine over 0.8) do not compete. pictures (N, E), query (E), background (M, E), all normalised; `scale` is
/// the model's.
std::vector<double> ChancesOfOther(std::span<const float> pictures, std::span<const float> query,
                                   std::span<const float> background, double scale);

/// The same for a query with a picture in it, which no words compete with: what the scores say by themselves. `sample`
/// are scores of pictures taken evenly from the store, nearly all of which have nothing to do with the query: the lower
/// half of them is its null distribution (a normal, mirrored at their median), and N picks of `population` whose tail
/// probabilities are p have an expected share of p * population / rank that chance would have brought (Benjamini and
/// Hochberg, 1995). `scores` (N) fall.
std::vector<double> ChancesByNull(std::span<const float> scores, std::span<const float> sample, int64_t population);

/// How many of the pictures, taken in order of their chances, can be kept so that the mean of these stays at most
/// `rate`: the expected share of wrong ones (Efron's Bayesian false discovery rate). `chances` rise.
size_t CountWithin(std::span<const double> chances, double rate);

/// How many of them are more likely right than wrong, each by itself.
size_t CountLikely(std::span<const double> chances);

}  // namespace diptych

#endif  // DIPTYCH_APPS_CUTOFF_H_
