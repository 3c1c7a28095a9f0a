// Token merging (Bolya et al., "Token Merging: Your ViT But Faster", ICLR 2023): like tokens of a sequence become one.
#ifndef DIPTYCH_KERNELS_TOKEN_MERGING_H_
#define DIPTYCH_KERNELS_TOKEN_MERGING_H_

#include <cstdint>

#include "core/context.h"

namespace diptych::kernels {

/// B sequences of T tokens each, of which the first is a class token.
struct TokenRows {
  int64_t batch = 0, tokens = 0, width = 0;  // B, T, D
  float* x = nullptr;                        // (B, T, D)
  float* sizes = nullptr;                    // (B, T), how many patches each token stands for
};

/// How many of `wanted` tokens can go from a sequence of `tokens`: half of those behind the class token at most.
int64_t MergeableTokens(int64_t tokens, int64_t wanted);

/// Bipartite soft matching, as merge.py of the authors' code does it. Tokens at even positions look for the token at an
/// odd position whose metric has the highest cosine with theirs; the `count` of them that found the nearest join it in
/// an average weighted by sizes, the class token never. What is left keeps its order: tokens at even positions, then
/// those at odd ones. metric (B, T, K); y has room for (B, T - count, D). Of equal cosines the earlier token is taken.
/// REQUIRES: count <= MergeableTokens(T, count).
void MergeTokens(Context& context, const TokenRows& in, const float* metric, int64_t metric_width, int64_t count,
                 const TokenRows& y);

/// y (M) = log(x).
void Log(const float* x, int64_t m, float* y);

/// The mean over the heads of rows of them: x (M, NH*HD) in floats or bf16, row stride `stride` -> y (M, HD).
struct HeadShape {
  int64_t stride, heads, head_dim;
};
void MeanOverHeads(const float* x, int64_t m, const HeadShape& shape, float* y);
void MeanOverHeads(const uint16_t* x, int64_t m, const HeadShape& shape, float* y);

/// The mean over the patches of each sequence, the class token left out: x (B, T, D) with sizes -> y (B, D).
void WeightedPatchMean(const TokenRows& x, float* y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_TOKEN_MERGING_H_
