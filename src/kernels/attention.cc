#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

// How it works. The score tile is computed transposed, S^T = K Q^T: its columns are up to two vectors of queries, its
// rows all the keys. So softmax runs down columns, lane by lane, without any sum across a vector; and both products are
// the same register block: 6 broadcast values times 2 vectors. Only Q is transposed, one small tile at a time. The tile
// for T = 257 is 16 KB and lives in L1; for T = 1024 it is in L2, which the products hide, so there is no need to
// rescale partial softmaxes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/register_block_inl.h"
#include "kernels/transpose_inl.h"

#ifndef DIPTYCH_KERNELS_ATTENTION_ONCE_
#define DIPTYCH_KERNELS_ATTENTION_ONCE_
namespace diptych::kernels {

constexpr int kMaxLanes = 16;            // floats in the widest vector compiled for
constexpr int kMaxTile = 2 * kMaxLanes;  // queries of a tile

// A call of Attention: where each sequence begins, so that any (sequence, head) pair can be computed by itself.
struct AttentionJob {
  const AttentionInput& input;
  const AttentionShape& shape;
  const int64_t* first_key;    // (B) row of k and v
  const int64_t* first_query;  // (B) row of q and y
  float* y;

  int64_t Queries(int64_t sequence) const {
    return input.q_lengths.empty() ? input.lengths[sequence] : input.q_lengths[sequence];
  }
};

// Memory of one thread. All sizes are for the longest sequence.
struct AttentionScratch {
  float* queries;  // (HD, kMaxTile) transposed and scaled
  float* scores;   // (keys, kMaxTile) transposed; softmax in place
  float* keys;     // (keys, HD)
  float* values;   // (keys, HD rounded up to kMaxLanes)
};

}  // namespace diptych::kernels
#endif  // DIPTYCH_KERNELS_ATTENTION_ONCE_

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

static_assert(kTile <= kMaxTile);

// 2^x for x <= 0, 1e-7 relative; below 2^-126, and for -inf, it is 2^-126, which is nothing beside the maximum's 1.
HWY_INLINE V Exp2NonPositive(V x) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  x = hn::Max(x, hn::Set(d, -126.0f));
  const V n = hn::Round(x);
  const V r = hn::Sub(x, n);
  V p = hn::Set(d, 1.3264727e-3f);  // minimax on [-1/2, 1/2] with 2^0 = 1 exactly
  p = hn::MulAdd(p, r, hn::Set(d, 9.671513e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.5507336e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 2.4022242e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 6.93147e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, exponent));
}

// S^T rows [0, kRows) of a tile.
template <int kRows, int kVectors>
HWY_INLINE void ScoreBlock(const Rows& keys, const float* queries, int head_dim, float* scores) {
  V acc[kBlock][2];
  MultiplyBlock<kRows, kVectors>(keys.data, keys.stride, 1, {queries, kTile}, head_dim, acc);
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) hn::Store(acc[i][v], Floats(), scores + i * kTile + v * kLanes);
  }
}

// y rows [0, kRows): the mix of the values, columns [0, width) of kVectors vectors.
struct MixTarget {
  const float* inverse;  // of each query's sum
  float* y;
  int64_t stride;
  int64_t width;
};
template <int kRows, int kVectors>
HWY_INLINE void MixBlock(const float* weights, const Rows& values, int64_t keys, const MixTarget& target) {
  const Floats d;
  V acc[kBlock][2];
  MultiplyBlock<kRows, kVectors>(weights, 1, kTile, values, keys, acc);
  for (int i = 0; i < kRows; ++i) {
    const V inverse = hn::Set(d, target.inverse[i]);
    float* y = target.y + i * target.stride;
    if (target.width >= kVectors * kLanes) {
      for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::Mul(acc[i][v], inverse), d, y + v * kLanes);
    } else {
      HWY_ALIGN float whole[kTile];
      for (int v = 0; v < kVectors; ++v) hn::Store(hn::Mul(acc[i][v], inverse), d, whole + v * kLanes);
      std::copy_n(whole, target.width, y);
    }
  }
}

template <int kVectors>
void Scores(Rows keys, int64_t count, const float* queries, int head_dim, float* scores) {
  while (count > 0) {
    switch (std::min<int64_t>(count, kBlock)) {
      case 1: ScoreBlock<1, kVectors>(keys, queries, head_dim, scores); break;
      case 2: ScoreBlock<2, kVectors>(keys, queries, head_dim, scores); break;
      case 3: ScoreBlock<3, kVectors>(keys, queries, head_dim, scores); break;
      case 4: ScoreBlock<4, kVectors>(keys, queries, head_dim, scores); break;
      case 5: ScoreBlock<5, kVectors>(keys, queries, head_dim, scores); break;
      default: ScoreBlock<6, kVectors>(keys, queries, head_dim, scores); break;
    }
    keys.data += kBlock * keys.stride;
    scores += kBlock * kTile;
    count -= kBlock;
  }
}

template <int kVectors>
void MixRows(const float* weights, int rows, const Rows& values, int64_t keys, MixTarget target) {
  while (rows > 0) {
    switch (std::min(rows, kBlock)) {
      case 1: MixBlock<1, kVectors>(weights, values, keys, target); break;
      case 2: MixBlock<2, kVectors>(weights, values, keys, target); break;
      case 3: MixBlock<3, kVectors>(weights, values, keys, target); break;
      case 4: MixBlock<4, kVectors>(weights, values, keys, target); break;
      case 5: MixBlock<5, kVectors>(weights, values, keys, target); break;
      default: MixBlock<6, kVectors>(weights, values, keys, target); break;
    }
    weights += kBlock;
    target.inverse += kBlock;
    target.y += kBlock * target.stride;
    rows -= kBlock;
  }
}

// Down the columns of S^T in place: 2^(s - max), unnormalised; inverse gets 1 / sum. Query t sees the first
// `visible` + t keys (INT64_MAX: all).
template <int kVectors>
void SoftmaxColumns(float* HWY_RESTRICT scores, int64_t keys, int64_t visible, float* inverse) {
  const Floats d;
  V maxima[kVectors], sums[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    maxima[v] = hn::Load(d, scores + v * kLanes);
    sums[v] = hn::Zero(d);
  }
  for (int64_t j = visible; j < keys; ++j) {  // query t is blind for key j where t <= j - visible
    const V last_blind = hn::Set(d, static_cast<float>(j - visible));
    for (int v = 0; v < kVectors; ++v) {
      float* at = scores + j * kTile + v * kLanes;
      const auto blind = hn::Le(hn::Iota(d, static_cast<float>(v * kLanes)), last_blind);
      hn::Store(hn::IfThenElse(blind, hn::Set(d, -std::numeric_limits<float>::infinity()), hn::Load(d, at)), d, at);
    }
  }
  for (int64_t j = 1; j < keys; ++j) {
    for (int v = 0; v < kVectors; ++v) maxima[v] = hn::Max(maxima[v], hn::Load(d, scores + j * kTile + v * kLanes));
  }
  for (int64_t j = 0; j < keys; ++j) {
    for (int v = 0; v < kVectors; ++v) {
      float* at = scores + j * kTile + v * kLanes;
      const V weight = Exp2NonPositive(hn::Sub(hn::Load(d, at), maxima[v]));
      sums[v] = hn::Add(sums[v], weight);
      hn::Store(weight, d, at);
    }
  }
  for (int v = 0; v < kVectors; ++v) hn::Store(hn::Div(hn::Set(d, 1.0f), sums[v]), d, inverse + v * kLanes);
}

// queries (HD, kTile) = (count rows of q)^T * scale; columns up to `columns` without a query are zero.
void LoadQueries(Rows q, int count, int columns, const AttentionShape& shape, float* queries) {
  constexpr float kLog2E = 1.44269504088896340736f;  // softmax takes powers of two
  const float scale = shape.scale * kLog2E;
  const int head_dim = shape.head_dim;
  int column = 0;
  for (; column + 4 <= count; column += 4, q.data += 4 * q.stride) {
    TransposeFour(q, head_dim, scale, queries + column);
  }
  for (; column < count; ++column, q.data += q.stride) {
    for (int i = 0; i < head_dim; ++i) queries[i * kTile + column] = q.data[i] * scale;
  }
  if (column < columns) {
    for (int i = 0; i < head_dim; ++i) std::fill(queries + i * kTile + column, queries + i * kTile + columns, 0.0f);
  }
}

// One head of one sequence.
struct Head {
  Rows q, k, v;
  int64_t keys, queries;
  float* y;
  int64_t y_stride;
};

template <int kVectors>
void AttendTile(const Head& head, int count, int64_t visible, const AttentionShape& shape,
                const AttentionScratch& scratch) {
  HWY_ALIGN float inverse[kTile];
  const int64_t keys = std::min(head.keys, visible == INT64_MAX ? visible : visible + count - 1);
  LoadQueries(head.q, count, kVectors * kLanes, shape, scratch.queries);
  Scores<kVectors>(head.k, keys, scratch.queries, shape.head_dim, scratch.scores);
  SoftmaxColumns<kVectors>(scratch.scores, keys, visible, inverse);
  MixTarget target{inverse, head.y, head.y_stride, shape.head_dim};
  Rows values = head.v;
  while (target.width > 0) {
    if (target.width > kLanes) {
      MixRows<2>(scratch.scores, count, values, keys, target);
    } else {
      MixRows<1>(scratch.scores, count, values, keys, target);
    }
    values.data += kTile;
    target.y += kTile;
    target.width -= kTile;
  }
}

// Copies rows of HD floats to rows of `stride`, zeros after each.
float* CopyRows(const Rows& from, int64_t rows, int head_dim, int64_t stride, float* to) {
  for (int64_t i = 0; i < rows; ++i, to += stride) {
    std::copy_n(from.data + i * from.stride, head_dim, to);
    std::fill(to + head_dim, to + stride, 0.0f);
  }
  return to;
}

// Keys and values are copied together where they would otherwise be read from rows far apart many times (the rows of a
// head are 4 KB and more apart, which wastes the cache's sets), where a shared prefix comes before them, and where a
// vector would reach beyond a row.
void PackKeysAndValues(const AttentionInput& input, const AttentionShape& shape, int64_t column,
                       const AttentionScratch& scratch, Head& head) {
  const bool ragged = shape.head_dim % kLanes != 0;
  if (input.prefix_length == 0 && head.queries <= kTile && !ragged) return;
  const int64_t own = head.keys - input.prefix_length;
  const int64_t v_stride = (shape.head_dim + kLanes - 1) / kLanes * kLanes;
  float *k = scratch.keys, *v = scratch.values;
  if (input.prefix_length > 0) {
    const int64_t rows = input.prefix_length;
    k = CopyRows({input.prefix_k + column, input.kv_stride}, rows, shape.head_dim, shape.head_dim, k);
    v = CopyRows({input.prefix_v + column, input.kv_stride}, rows, shape.head_dim, v_stride, v);
  }
  CopyRows(head.k, own, shape.head_dim, shape.head_dim, k);
  CopyRows(head.v, own, shape.head_dim, v_stride, v);
  head.k = {scratch.keys, shape.head_dim};
  head.v = {scratch.values, v_stride};
}

// Pairs [begin, end) of sequence * NH + head.
void AttendPairs(const AttentionJob& job, int64_t begin, int64_t end, const AttentionScratch& scratch) {
  const AttentionInput& input = job.input;
  const AttentionShape& shape = job.shape;
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t sequence = pair / shape.heads, column = pair % shape.heads * shape.head_dim;
    const int64_t first_key = job.first_key[sequence], first_query = job.first_query[sequence];
    Head head{.q = {input.q + first_query * input.q_stride + column, input.q_stride},
              .k = {input.k + first_key * input.kv_stride + column, input.kv_stride},
              .v = {input.v + first_key * input.kv_stride + column, input.kv_stride},
              .keys = input.prefix_length + input.lengths[sequence],
              .queries = job.Queries(sequence),
              .y_stride = int64_t{shape.heads} * shape.head_dim};
    head.y = job.y + first_query * head.y_stride + column;
    PackKeysAndValues(input, shape, column, scratch, head);
    int64_t visible = shape.causal ? head.keys - head.queries + 1 : INT64_MAX;
    while (head.queries > 0) {
      const int count = static_cast<int>(std::min<int64_t>(head.queries, kTile));
      if (count > kLanes) {
        AttendTile<2>(head, count, visible, shape, scratch);
      } else {
        AttendTile<1>(head, count, visible, shape, scratch);
      }
      head.q.data += count * head.q.stride;
      head.y += count * head.y_stride;
      head.queries -= count;
      if (shape.causal) visible += count;
    }
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(AttendPairs);

void Attention(Context& context, const AttentionInput& input, const AttentionShape& shape, float* y) {
  const int64_t b = static_cast<int64_t>(input.lengths.size());
  CHECK(shape.heads > 0 && shape.head_dim > 0) << " heads " << shape.heads << " of " << shape.head_dim;
  CHECK(input.q_lengths.empty() || input.q_lengths.size() == input.lengths.size());
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  int64_t* first_key = arena.Allocate<int64_t>(b);
  int64_t* first_query = arena.Allocate<int64_t>(b);
  const AttentionJob job{input, shape, first_key, first_query, y};
  int64_t keys = 0, queries = 0, longest = 0;
  for (int64_t i = 0; i < b; ++i) {
    first_key[i] = keys;
    first_query[i] = queries;
    CHECK(job.Queries(i) >= 0 && job.Queries(i) <= input.lengths[i])
        << " sequence " << i << ": " << job.Queries(i) << " queries, " << input.lengths[i] << " keys";
    keys += input.lengths[i];
    queries += job.Queries(i);
    longest = std::max<int64_t>(longest, input.lengths[i] + input.prefix_length);
  }
  const int64_t padded = (shape.head_dim + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
  const int64_t queries_size = shape.head_dim * kMaxTile, scores_size = longest * kMaxTile;
  const int64_t per_thread = queries_size + scores_size + 2 * longest * padded;
  float* memory = arena.Allocate<float>(per_thread * context.threads());
  const int64_t pairs = b * shape.heads;
  const int64_t grain = std::max<int64_t>(1, pairs / (context.threads() * 8));
  ParallelForRanked(context, pairs, grain, [&](int64_t begin, int64_t end, int rank) {
    float* own = memory + rank * per_thread;
    const AttentionScratch scratch{own, own + queries_size, own + queries_size + scores_size,
                                   own + queries_size + scores_size + longest * padded};
    HWY_DYNAMIC_DISPATCH(AttendPairs)(job, begin, end, scratch);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
