// Multi-head self-attention (Vaswani et al., 2017), torch's nn.MultiheadAttention.
#ifndef DIPTYCH_NN_ATTENTION_H_
#define DIPTYCH_NN_ATTENTION_H_

#include <cstdint>
#include <span>

#include "core/context.h"
#include "kernels/attention/attention.h"
#include "nn/linear.h"

namespace diptych::nn {

struct AttentionConfig {
  int64_t width = 0;  // D
  int heads = 1;      // NH
  bool causal = false;
};

/// The sequences of a batch, packed one after the other.
struct Sequences {
  std::span<const int32_t> lengths;  // (B)

  /// (B), as kernels::AttentionInput's: which earlier sequence each continues, under a causal mask. Empty: none.
  std::span<const int32_t> parents;

  /// (B), 1 for a sequence with a pooled row, 0 for one that others continue. Empty: every sequence has one.
  std::span<const int32_t> queries;

  /// (M), as kernels::AttentionInput's: added to each key's score. Empty: none.
  std::span<const float> key_bias;

  int64_t Rows() const;    // M = sum of lengths
  int64_t Pooled() const;  // sum of queries
};

struct AttentionOutput {
  const float* residual = nullptr;  // (M, D), may be y; null: none
  float* y = nullptr;               // (M, D)
  float* key_means = nullptr;       // (M, HD), the mean of each row's keys over the heads; null: not wanted
};

struct AttentionPlan {
  AttentionConfig config;
  LinearPlan q, kv;   // (D), (2D): apart only in a plan whose queries are few
  LinearPlan qkv;     // (3D)
  LinearPlan out;

  /// Every row attends, whatever it was prepared for: x (M, D) -> y = out(attention(x)) + residual.
  void Forward(Context& context, const kernels::Rows& x, const Sequences& sequences,
               const AttentionOutput& output) const;

  /// One query for each sequence that has a pooled row. x (M, D) gives the keys and values, x_q (B, D) the queries ->
  /// y (B, D), with residual (B, D). REQUIRES: prepared for pooled queries; not causal, or each query the last row of
  /// its sequence.
  void ForwardPooled(Context& context, const kernels::Rows& x, const Sequences& sequences, const kernels::Rows& x_q,
                     const float* residual, float* y) const;

  /// Of x and x_q.
  kernels::Precision InputType() const { return out.InputType(); }

 private:
  template <class T>
  void Attend(Context& context, const kernels::Rows& x, const Sequences& sequences, const kernels::Rows* x_q,
              const AttentionOutput& output) const;
};

/// The rows of a training pass: sequences packed one after the other, M rows in all.
struct PassRows {
  std::span<const int32_t> lengths;  // (B)
  /// (B): the row of x that is the only query of its sequence, which a causal mask wants to be its last row; empty:
  /// every row is a query.
  std::span<const int64_t> pooled;

  int64_t count = 0;  // M = sum of lengths
  int64_t Queries() const { return pooled.empty() ? count : static_cast<int64_t>(pooled.size()); }
};

/// The pooled rows of x (M, D), one after the other -> y (B, D).
void GatherPooled(const PassRows& rows, const float* x, int64_t d, float* y);

struct AttentionCache {
  PassRows rows;
  // All queries: rows of (q, k, v), (M, 3D). Pooled ones: q (B, D) apart from rows of (k, v), (M, 2D).
  float* q = nullptr;
  float* k = nullptr;
  float* v = nullptr;
  float* mixed = nullptr;  // (Q, D), what `out` projects; Q = rows.Queries()
  std::span<const int32_t> q_lengths;
};

struct AttentionBackwardArgs {
  const float* x = nullptr;   // (M, D), as in the forward pass; not read unless qkv uses it
  const float* dy = nullptr;  // (Q, D)
  float* dx = nullptr;        // (M, D), may be dy where nothing is pooled; null: not wanted
  bool accumulate = false;    // dx += instead of dx =
};

/// Which queries a plan will be asked for.
enum class Queries : uint8_t { kAll, kPooled };

struct Attention {
  Attention() = default;
  explicit Attention(const AttentionConfig& config);

  AttentionConfig config;
  Linear qkv;  // (3D, D): rows of q, then k, then v
  Linear out;  // (D, D)

  /// `rows` must live as long as the cache.
  AttentionCache Allocate(Arena& arena, const PassRows& rows) const;
  /// The training pass: x (M, D) -> y (Q, D) = out(attention(x)) + residual, which may be null or y.
  void Forward(Context& context, const AttentionCache& cache, const float* x, const float* residual, float* y) const;
  void Backward(Context& context, const AttentionCache& cache, const AttentionBackwardArgs& args);
  bool Trains() const { return qkv.Trains() || out.Trains(); }

  AttentionPlan Prepare(kernels::Precision precision, Queries queries) const;

 private:
  void Place(Arena& arena, AttentionCache& cache) const;
  void ProjectionBackward(Context& context, const AttentionCache& gradient, const AttentionBackwardArgs& args);
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_ATTENTION_H_
