#include <algorithm>
#include <utility>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_job.h"
#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

// How it works. A pass over tiles of queries, as forward (attention_inl.h), with the transposed tiles
//   P^T = softmax(K Q^T), dP^T = V dY^T, dS^T = P^T (dP^T - rowsum(dY Y)),
// whose rows then are the weights of dV += P^T dY and dK += dS^T Q, and whose columns those of dQ = dS K. All of a head
// is copied to rows of its own, with zeros up to whole vectors; its dK and dV are summed there and stored at the end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_backward.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/attention/attention_inl.h"

#ifndef DIPTYCH_KERNELS_ATTENTION_BACKWARD_ONCE_
#define DIPTYCH_KERNELS_ATTENTION_BACKWARD_ONCE_
namespace diptych::kernels {

// Memory of one thread, for the longest sequence. Rows of heads have a stride of HD rounded up to kMaxLanes.
struct BackwardScratch {
  BackwardScratch(float* memory, const AttentionJob& job) : stride(Stride(job)) {
    for (float** tile : {&q_columns, &dy_columns}) *tile = std::exchange(memory, memory + stride * kMaxTile);
    for (float** tile : {&p, &ds}) *tile = std::exchange(memory, memory + job.longest * kMaxTile);
    for (float** rows : {&q, &dy, &k, &v, &dk, &dv}) *rows = std::exchange(memory, memory + job.longest * stride);
  }

  static int64_t Stride(const AttentionJob& job) {
    return (job.shape.head_dim + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
  }
  static int64_t Size(const AttentionJob& job) {
    return 2 * (Stride(job) + job.longest) * kMaxTile + 6 * job.longest * Stride(job);
  }

  int64_t stride;
  float *q_columns, *dy_columns;    // (HD, kTile)
  float *p, *ds;                    // (keys, kTile), transposed
  float *q, *dy, *k, *v, *dk, *dv;  // (queries or keys, HD)
};

// A call of AttentionBackward.
struct BackwardJob {
  const AttentionJob& forward;
  const float* y;
  const float* dy;
  const AttentionGradients& gradients;
};

}  // namespace diptych::kernels
#endif  // DIPTYCH_KERNELS_ATTENTION_BACKWARD_ONCE_

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

// rows [0, kRows) of `to` += weights (kRows, count; row stride kTile) * rows of b, over kVectors vectors.
template <int kRows, int kVectors>
HWY_INLINE void AddBlock(const float* weights, const Rows& b, int64_t count, float* to) {
  const Floats d;
  V acc[kBlock][2];
  MultiplyBlock<kRows, kVectors>(weights, kTile, 1, b, count, acc);
  for (int i = 0; i < kRows; ++i) {
    float* at = to + i * b.stride;
    for (int v = 0; v < kVectors; ++v) hn::Store(hn::Add(acc[i][v], hn::Load(d, at + v * kLanes)), d, at + v * kLanes);
  }
}

template <int kVectors>
HWY_INLINE void AddRows(const float* weights, int64_t rows, const Rows& b, int64_t count, float* to) {
  while (rows > 0) {
    WithBlockRows(rows, [&](auto block) HWY_ATTR { AddBlock<block(), kVectors>(weights, b, count, to); });
    weights += kBlock * kTile;
    to += kBlock * b.stride;
    rows -= kBlock;
  }
}

// `to` (keys, stride) += weights (keys, kTile)'s first `count` columns * the count rows of b.
void AddProduct(const float* weights, int64_t keys, Rows b, int64_t count, float* to) {
  for (int64_t column = 0; column < b.stride; column += kTile) {
    const Rows columns{b.data + column, b.stride};
    if (b.stride - column > kLanes) {
      AddRows<2>(weights, keys, columns, count, to + column);
    } else {
      AddRows<1>(weights, keys, columns, count, to + column);
    }
  }
}

// Normalises p, and ds = p (dp - along), where ds holds dp and `along` is the sum of dY Y of each query. What softmax
// raised to its smallest weight is 0 here, so that nothing becomes subnormal.
template <int kVectors>
void ScoreGradients(int64_t keys, const float* inverse, const float* along, float* p, float* ds) {
  const Floats d;
  const V smallest = hn::Set(d, 0x1p-126f);
  for (int64_t j = 0; j < keys; ++j) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = j * kTile + v * kLanes;
      const V weight = hn::Load(d, p + at);
      const V normal = hn::IfThenElseZero(hn::Gt(weight, smallest), hn::Mul(weight, hn::Load(d, inverse + v * kLanes)));
      hn::Store(normal, d, p + at);
      hn::Store(hn::Mul(normal, hn::Sub(hn::Load(d, ds + at), hn::Load(d, along + v * kLanes))), d, ds + at);
    }
  }
}

// Sums of dy * y over `width` columns.
float RowDot(const float* dy, const float* y, int64_t width) {
  const Floats d;
  V sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) sums = hn::MulAdd(hn::LoadU(d, dy + i), hn::LoadU(d, y + i), sums);
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < width; ++i) sum += dy[i] * y[i];
  return sum;
}

// One head of one sequence; its queries are [first, first + count) of the tile.
struct BackwardTile {
  int64_t keys;     // that any of the queries sees
  int64_t visible;  // that the first one sees, INT64_MAX: all
  int first, count;
  Rows y;     // of the first query
  float* dq;  // likewise
  int64_t dq_stride;
};

template <int kVectors>
void AttendTileBackward(const BackwardTile& tile, const AttentionShape& shape, const BackwardScratch& scratch) {
  HWY_ALIGN float inverse[kTile], along[kTile] = {}, scales[kTile];
  const Rows q{scratch.q + tile.first * scratch.stride, scratch.stride};
  const Rows dy{scratch.dy + tile.first * scratch.stride, scratch.stride};
  const Rows k{scratch.k, scratch.stride}, v{scratch.v, scratch.stride};
  LoadQueries(q, tile.count, kVectors * kLanes, shape, scratch.q_columns);
  LoadColumns(dy, tile.count, kVectors * kLanes, shape.head_dim, 1.0f, scratch.dy_columns);
  Scores<kVectors>(k, tile.keys, scratch.q_columns, shape.head_dim, scratch.p);
  SoftmaxColumns<kVectors>(scratch.p, tile.keys, tile.visible, inverse);
  Scores<kVectors>(v, tile.keys, scratch.dy_columns, shape.head_dim, scratch.ds);
  for (int i = 0; i < tile.count; ++i) {
    along[i] = RowDot(dy.data + i * dy.stride, tile.y.data + i * tile.y.stride, shape.head_dim);
  }
  ScoreGradients<kVectors>(tile.keys, inverse, along, scratch.p, scratch.ds);
  AddProduct(scratch.p, tile.keys, dy, tile.count, scratch.dv);
  AddProduct(scratch.ds, tile.keys, q, tile.count, scratch.dk);
  std::fill_n(scales, kTile, shape.scale);
  MixTarget target{scales, tile.dq, tile.dq_stride, shape.head_dim};
  for (Rows keys = k; target.width > 0; keys.data += kTile, target.y += kTile, target.width -= kTile) {
    if (target.width > kLanes) {
      MixRows<2>(scratch.ds, tile.count, keys, tile.keys, target);
    } else {
      MixRows<1>(scratch.ds, tile.count, keys, tile.keys, target);
    }
  }
}

void StoreRows(const Rows& from, int64_t rows, int head_dim, float scale, float* to, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i, to += stride) {
    for (int column = 0; column < head_dim; ++column) to[column] = from.data[i * from.stride + column] * scale;
  }
}

void AttendPairBackward(const BackwardJob& job, int64_t pair, const BackwardScratch& scratch) {
  const AttentionInput& input = job.forward.input;
  const AttentionShape& shape = job.forward.shape;
  const int64_t sequence = pair / shape.heads, column = pair % shape.heads * shape.head_dim;
  const int64_t keys = input.lengths[sequence], queries = job.forward.Queries(sequence), stride = scratch.stride;
  const int64_t y_stride = int64_t{shape.heads} * shape.head_dim;
  const int64_t key_at = job.forward.first_key[sequence] * input.kv_stride + column;
  const int64_t query_at = job.forward.first_query[sequence] * input.q_stride + column;
  const int64_t y_at = job.forward.first_query[sequence] * y_stride + column;
  CopyRows({input.q + query_at, input.q_stride}, queries, shape.head_dim, stride, scratch.q);
  CopyRows({job.dy + y_at, y_stride}, queries, shape.head_dim, stride, scratch.dy);
  CopyRows({input.k + key_at, input.kv_stride}, keys, shape.head_dim, stride, scratch.k);
  CopyRows({input.v + key_at, input.kv_stride}, keys, shape.head_dim, stride, scratch.v);
  std::fill_n(scratch.dk, keys * stride, 0.0f);
  std::fill_n(scratch.dv, keys * stride, 0.0f);
  for (int64_t first = 0; first < queries; first += kTile) {
    BackwardTile tile{.keys = keys,
                      .visible = INT64_MAX,
                      .first = static_cast<int>(first),
                      .count = static_cast<int>(std::min<int64_t>(queries - first, kTile)),
                      .y = {job.y + y_at + first * y_stride, y_stride},
                      .dq = job.gradients.dq + query_at + first * input.q_stride,
                      .dq_stride = input.q_stride};
    if (shape.causal) {
      tile.visible = keys - queries + first + 1;
      tile.keys = std::min(keys, tile.visible + tile.count - 1);
    }
    if (tile.count > kLanes) {
      AttendTileBackward<2>(tile, shape, scratch);
    } else {
      AttendTileBackward<1>(tile, shape, scratch);
    }
  }
  StoreRows({scratch.dk, stride}, keys, shape.head_dim, shape.scale, job.gradients.dk + key_at, input.kv_stride);
  StoreRows({scratch.dv, stride}, keys, shape.head_dim, 1.0f, job.gradients.dv + key_at, input.kv_stride);
}

// Pairs [begin, end) of sequence * NH + head.
void AttendPairsBackward(const BackwardJob& job, int64_t begin, int64_t end, float* memory) {
  const BackwardScratch scratch(memory, job.forward);
  for (int64_t pair = begin; pair < end; ++pair) AttendPairBackward(job, pair, scratch);
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(AttendPairsBackward);

void AttentionBackward(Context& context, const AttentionInput& input, const AttentionShape& shape, const float* y,
                       const float* dy, const AttentionGradients& gradients) {
  CHECK(input.parents.empty() && input.key_bias.empty());
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const AttentionJob forward(arena, input, shape);
  const BackwardJob job{forward, y, dy, gradients};
  const int64_t per_thread = BackwardScratch::Size(forward);
  float* memory = arena.Allocate<float>(per_thread * context.threads());
  ParallelForRanked(context, forward.pairs, forward.Grain(context.threads()),
                    [&](int64_t begin, int64_t end, int rank) {
                      HWY_DYNAMIC_DISPATCH(AttendPairsBackward)(job, begin, end, memory + rank * per_thread);
                    });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
