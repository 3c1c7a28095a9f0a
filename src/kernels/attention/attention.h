// Multi-head scaled dot-product attention over packed sequences of unequal length.
#ifndef DIPTYCH_KERNELS_ATTENTION_ATTENTION_H_
#define DIPTYCH_KERNELS_ATTENTION_ATTENTION_H_

#include <cstdint>
#include <span>

#include "core/context.h"

namespace diptych::kernels {

/// Rows of one sequence follow the rows of the one before. Head h of a row is its columns [h*HD, (h+1)*HD).
template <class T>
struct BasicAttentionInput {
  const T* q = nullptr;  // (sum of q_lengths, ...), row stride q_stride
  const T* k = nullptr;  // (sum of lengths, ...), row stride kv_stride
  const T* v = nullptr;  // as k
  int64_t q_stride = 0, kv_stride = 0;
  std::span<const int32_t> lengths;    // keys of each sequence
  std::span<const int32_t> q_lengths;  // queries of each sequence: its last rows; empty means: as `lengths`
  /// The earlier sequence, if any, whose keys, and those that it has from its own parent, come before each sequence's:
  /// a shared beginning. -1: none. Empty: no sequence has one.
  std::span<const int32_t> parents;
  /// (sum of lengths), added to the scaled score of each key: the logarithm of how many tokens it stands for. Empty:
  /// none. REQUIRES: no parents.
  std::span<const float> key_bias;
};

using AttentionInput = BasicAttentionInput<float>;
using BrainAttentionInput = BasicAttentionInput<uint16_t>;  // bf16

struct AttentionShape {
  int heads = 1;     // NH
  int head_dim = 0;  // HD
  bool causal = false;
  float scale = 0.0f;  // of q·k, normally HD^-0.5
};

/// y (sum of q_lengths, NH*HD), dense.
void Attention(Context& context, const AttentionInput& input, const AttentionShape& shape, float* y);

/// The same in bf16, as narrow products write and read their rows: sums and softmax in fp32, the softmax's weights
/// rounded to bf16. REQUIRES: HasBrainAttention().
void Attention(Context& context, const BrainAttentionInput& input, const AttentionShape& shape, uint16_t* y);
/// Whether this CPU is faster at it than in fp32.
bool HasBrainAttention();

/// Where the gradients go, rows as those of q, k and v: each is written whole, in columns [0, NH*HD) of its rows.
struct AttentionGradients {
  float* dq = nullptr;  // row stride q_stride of the input
  float* dk = nullptr;  // row stride kv_stride
  float* dv = nullptr;  // row stride kv_stride
};
/// dy as Attention's y, which it needs too. The probabilities are computed again from q and k: keeping them would take
/// more memory than all else. REQUIRES: no parents, no bias.
void AttentionBackward(Context& context, const AttentionInput& input, const AttentionShape& shape, const float* y,
                       const float* dy, const AttentionGradients& gradients);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ATTENTION_ATTENTION_H_
