// Pooling and gathering: the operations that move rows without multiplying them by a matrix.
#ifndef DIPTYCH_KERNELS_POOL_H_
#define DIPTYCH_KERNELS_POOL_H_

#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/tensor.h"

namespace diptych::kernels {

/// Mean over the pixels of channels-last maps: x (B, H*W, C) -> y (B, C).
void GlobalAveragePool(Context& context, const float* x, int64_t b, int64_t pixels, int64_t c, float* y);

/// Mean over the rows of each packed sequence: x (sum of lengths, D) -> y (B, D).
void MeanPool(Context& context, const float* x, std::span<const int32_t> lengths, int64_t d, float* y);

/// k x k average with stride k and no padding over channels-last maps: x (B, H, W, C) -> y (B, H/k, W/k, C).
struct MapShape {
  int64_t b;
  int h, w, c;
};
void AveragePool(Context& context, const float* x, const MapShape& shape, int k, float* y);

/// Their backward passes: dx as x is written, the rows and columns that belong to no window get zeros.
void GlobalAveragePoolBackward(Context& context, const float* dy, int64_t b, int64_t pixels, int64_t c, float* dx);
void AveragePoolBackward(Context& context, const float* dy, const MapShape& shape, int k, float* dx);

/// y[i] = table[ids[i]]: table (V, D) in fp32, fp16 or bf16, y (M, D) in fp32. REQUIRES: 0 <= id < V.
void GatherRows(TensorView table, std::span<const int32_t> ids, float* y);

/// GatherRows' backward: dtable[ids[i]] += dy[i], (V, D) and (M, D), in the order of the rows.
void ScatterAddRows(std::span<const int32_t> ids, const float* dy, int64_t d, float* dtable);

/// MeanPool's backward: each row of sequence b gets dy[b] / length. dx (sum of lengths, D) is written.
void MeanPoolBackward(const float* dy, std::span<const int32_t> lengths, int64_t d, float* dx);

/// y += x over n values.
void Add(const float* x, int64_t n, float* y);

/// (B, C, H, W) -> (B, H, W, C): pictures enter the convolutional towers.
void ChannelsLast(Context& context, const float* x, const MapShape& shape, float* y);

/// The P x P patches of (B, C, S, S) pictures as rows: y (B*G*G, C*P*P), columns in a convolution weight's order.
void ExtractPatches(Context& context, const float* x, int64_t b, int c, int s, int p, float* y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_POOL_H_
