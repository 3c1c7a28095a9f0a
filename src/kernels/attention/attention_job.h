// What the forward and the backward pass of attention share outside of vector code. Private to kernels/.
#ifndef DIPTYCH_KERNELS_ATTENTION_ATTENTION_JOB_H_
#define DIPTYCH_KERNELS_ATTENTION_ATTENTION_JOB_H_

#include <algorithm>

#include "core/arena.h"
#include "core/check.h"
#include "core/context.h"
#include "kernels/attention/attention.h"

namespace diptych::kernels {

constexpr int kMaxLanes = 16;            // floats in the widest vector compiled for
constexpr int kMaxTile = 2 * kMaxLanes;  // queries of a tile

/// Where each sequence begins, so that any (sequence, head) pair can be computed by itself.
template <class T>
struct BasicAttentionJob {
  BasicAttentionJob(Arena& arena, const BasicAttentionInput<T>& in, const AttentionShape& of) : input(in), shape(of) {
    const int64_t b = static_cast<int64_t>(input.lengths.size());
    CHECK(shape.heads > 0 && shape.head_dim > 0) << " heads " << shape.heads << " of " << shape.head_dim;
    CHECK(input.q_lengths.empty() || input.q_lengths.size() == input.lengths.size());
    CHECK(input.parents.empty() || input.parents.size() == input.lengths.size());
    CHECK(input.key_bias.empty() || input.parents.empty());
    first_key = arena.Allocate<int64_t>(b);
    before = arena.Allocate<int64_t>(b);
    first_query = arena.Allocate<int64_t>(b);
    int64_t keys = 0, queries = 0;
    for (int64_t i = 0; i < b; ++i) {
      first_key[i] = keys;
      first_query[i] = queries;
      CHECK(Queries(i) >= 0 && Queries(i) <= input.lengths[i])
          << " sequence " << i << ": " << Queries(i) << " queries, " << input.lengths[i] << " keys";
      keys += input.lengths[i];
      queries += Queries(i);
      const int64_t parent = Parent(i);
      CHECK_LT(parent, i);
      before[i] = parent < 0 ? 0 : before[parent] + input.lengths[parent];
      longest = std::max(longest, Keys(i));
    }
    pairs = b * shape.heads;
    CHECK(input.key_bias.empty() || static_cast<int64_t>(input.key_bias.size()) == keys);
  }

  int64_t Queries(int64_t sequence) const {
    return input.q_lengths.empty() ? input.lengths[sequence] : input.q_lengths[sequence];
  }
  /// Of the sequence's own keys; null: none.
  const float* KeyBias(int64_t sequence) const {
    return input.key_bias.empty() ? nullptr : input.key_bias.data() + first_key[sequence];
  }
  int64_t Parent(int64_t sequence) const { return input.parents.empty() ? -1 : input.parents[sequence]; }
  int64_t Keys(int64_t sequence) const { return before[sequence] + input.lengths[sequence]; }
  /// Scores and mixing, of the keys that each query sees.
  Work AskedFor() const {
    double seen = 0, rows = 0;
    const double width = static_cast<double>(shape.heads) * shape.head_dim;
    for (int64_t i = 0; i < static_cast<int64_t>(input.lengths.size()); ++i) {
      const double queries = static_cast<double>(Queries(i)), all = static_cast<double>(Keys(i));
      seen += shape.causal ? queries * (all - (queries - 1) / 2) : queries * all;
      rows += 2 * queries + 2 * static_cast<double>(input.lengths[i]);
    }
    return {.flops = 4 * seen * width, .bytes = rows * width * sizeof(T)};
  }
  /// Pairs of a piece of work.
  int64_t Grain(int threads) const { return std::max<int64_t>(1, pairs / (threads * 8)); }

  const BasicAttentionInput<T>& input;
  const AttentionShape& shape;
  int64_t* first_key;    // (B) row of k and v
  int64_t* first_query;  // (B) row of q and y
  int64_t* before;       // (B) keys that come from parents
  int64_t longest = 0;   // most keys of a sequence
  int64_t pairs = 0;     // of sequence and head
};

using AttentionJob = BasicAttentionJob<float>;
using BrainAttentionJob = BasicAttentionJob<uint16_t>;

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ATTENTION_ATTENTION_JOB_H_
