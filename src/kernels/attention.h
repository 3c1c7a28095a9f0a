// Multi-head scaled dot-product attention over packed sequences of unequal length.
#ifndef DIPTYCH_KERNELS_ATTENTION_H_
#define DIPTYCH_KERNELS_ATTENTION_H_

#include <cstdint>
#include <span>

#include "core/context.h"

namespace diptych::kernels {

/// Rows of one sequence follow the rows of the one before. Head h of a row is its columns [h*HD, (h+1)*HD).
struct AttentionInput {
  const float* q = nullptr;  // (sum of q_lengths, ...), row stride q_stride
  const float* k = nullptr;  // (sum of lengths, ...), row stride kv_stride
  const float* v = nullptr;  // as k
  int64_t q_stride = 0, kv_stride = 0;
  std::span<const int32_t> lengths;    // keys of each sequence
  std::span<const int32_t> q_lengths;  // queries of each sequence: its last rows; empty means: as `lengths`
  /// The earlier sequence, if any, whose keys, and those that it has from its own parent, come before each sequence's:
  /// a shared beginning. -1: none. Empty: no sequence has one.
  std::span<const int32_t> parents;
};

struct AttentionShape {
  int heads = 1;     // NH
  int head_dim = 0;  // HD
  bool causal = false;
  float scale = 0.0f;  // of q·k, normally HD^-0.5
};

/// y (sum of q_lengths, NH*HD), dense.
void Attention(Context& context, const AttentionInput& input, const AttentionShape& shape, float* y);

/// Where the gradients go, rows as those of q, k and v: each is written whole, in columns [0, NH*HD) of its rows.
struct AttentionGradients {
  float* dq = nullptr;  // row stride q_stride of the input
  float* dk = nullptr;  // row stride kv_stride
  float* dv = nullptr;  // row stride kv_stride
};
/// dy as Attention's y, which it needs too. The probabilities are computed again from q and k: keeping them would take
/// more memory than all else. REQUIRES: no parents.
void AttentionBackward(Context& context, const AttentionInput& input, const AttentionShape& shape, const float* y,
                       const float* dy, const AttentionGradients& gradients);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ATTENTION_H_
