// Where an answer ends. No fixed score works: what a good one is differs from query to query.
#ifndef DIPTYCH_APPS_CUTOFF_H_
#define DIPTYCH_APPS_CUTOFF_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/context.h"

namespace diptych {

/// The words of a query (E) and the background's concepts (M, E) that compete with them for each picture
/// (apps/background.h), all normalised. `scale` is the model's.
class Competition {
 public:
  Competition(std::vector<float> query, std::vector<float> background, double scale);

  /// Moves each concept toward what it looks like in a store. Words lie elsewhere in the space than pictures, and how a
  /// thing is photographed differs from store to store: the pictures that a concept wins from the others show it. If
  /// they weigh n and their mean is c, it moves by 0.35 n / (n + 20) (c - the mean of all). The background learns from
  /// `sample` (N, E), pictures taken evenly from the store, the query from `nearest` (K, E), those nearest to it.
  void LearnLooks(Context& context, std::span<const float> sample, std::span<const float> nearest);

  /// The chance that each of N pictures (N, E) shows something else than the words of the query, by softmax. Concepts
  /// whose words mean nearly the same (a cosine over 0.8) do not compete.
  std::vector<double> ChancesOfOther(std::span<const float> pictures) const;

 private:
  std::vector<float> query_, background_;
  std::vector<bool> competes_;  // (M)
  double scale_;                // of the cosines in ChancesOfOther()
};

/// The chances for a query with a picture in it, which no words compete with: what the scores say by themselves.
/// `sample` are scores of pictures taken evenly from the store, nearly all of which have nothing to do with the query:
/// the lower half of them is its null distribution (a normal, mirrored at their median), and N picks of `population`
/// whose tail probabilities are p have an expected share of p * population / rank that chance would have brought
/// (Benjamini and Hochberg, 1995). `scores` (N) fall.
std::vector<double> ChancesByNull(std::span<const float> scores, std::span<const float> sample, int64_t population);

/// How many of the pictures, taken in order of their chances, can be kept so that the mean of these stays at most
/// `rate`: the expected share of wrong ones (Efron's Bayesian false discovery rate). `chances` rise.
size_t CountWithin(std::span<const double> chances, double rate);

/// How many of them are more likely right than wrong, each by itself.
size_t CountLikely(std::span<const double> chances);

}  // namespace diptych

#endif  // DIPTYCH_APPS_CUTOFF_H_
