// Tiles of attention, for whichever target is being compiled. The score tile is computed transposed, S^T = K Q^T: its
// columns are up to two vectors of queries, its rows the keys. So softmax runs down columns, lane by lane, without any
// sum across a vector; and all products are the same register block: kBlock broadcast values times 2 vectors.
#if defined(DIPTYCH_KERNELS_ATTENTION_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DIPTYCH_KERNELS_ATTENTION_ATTENTION_INL_H_
#undef DIPTYCH_KERNELS_ATTENTION_ATTENTION_INL_H_
#else
#define DIPTYCH_KERNELS_ATTENTION_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/attention/attention_job.h"
#include "kernels/products/register_block_inl.h"
#include "kernels/transpose_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

static_assert(kTile <= kMaxTile);
constexpr float kLog2E = 1.44269504088896340736f;

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
HWY_INLINE void Scores(Rows keys, int64_t count, const float* queries, int head_dim, float* scores) {
  while (count > 0) {
    WithBlockRows(count, [&](auto rows) HWY_ATTR { ScoreBlock<rows(), kVectors>(keys, queries, head_dim, scores); });
    keys.data += kBlock * keys.stride;
    scores += kBlock * kTile;
    count -= kBlock;
  }
}

template <int kVectors>
HWY_INLINE void MixRows(const float* weights, int rows, const Rows& values, int64_t keys, MixTarget target) {
  while (rows > 0) {
    WithBlockRows(rows, [&](auto count) HWY_ATTR { MixBlock<count(), kVectors>(weights, values, keys, target); });
    weights += kBlock;
    target.inverse += kBlock;
    target.y += kBlock * target.stride;
    rows -= kBlock;
  }
}

// Down the columns of S^T in place: 2^(s - max), unnormalised; inverse gets 1 / sum. Query t sees the first
// `visible` + t keys (INT64_MAX: all).
template <int kVectors>
HWY_INLINE void SoftmaxColumns(float* HWY_RESTRICT scores, int64_t keys, int64_t visible, float* inverse) {
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

// The next head's part of a row, which lies behind this one's: rows are pages apart, so that the processor's own
// prefetchers do not see where this goes.
HWY_INLINE void PrefetchNextHead(const float* row, int head_dim) {
  for (int i = head_dim; i < 2 * head_dim; i += 16) hwy::Prefetch(row + i);
}

// out (HD, kTile) = (count rows)^T * scale; columns from there up to `columns` are zero.
HWY_INLINE void LoadColumns(Rows rows, int count, int columns, int head_dim, float scale, float* out) {
  for (int i = 0; i < count; ++i) PrefetchNextHead(rows.data + i * rows.stride, head_dim);
  int column = 0;
  for (; column + 4 <= count; column += 4, rows.data += 4 * rows.stride) {
    TransposeFour<kTile>(rows, head_dim, scale, out + column);
  }
  for (; column < count; ++column, rows.data += rows.stride) {
    for (int i = 0; i < head_dim; ++i) out[i * kTile + column] = rows.data[i] * scale;
  }
  if (column < columns) {
    for (int i = 0; i < head_dim; ++i) std::fill(out + i * kTile + column, out + i * kTile + columns, 0.0f);
  }
}

// With the scale of the scores, for softmax takes powers of two.
HWY_INLINE void LoadQueries(const Rows& q, int count, int columns, const AttentionShape& shape, float* queries) {
  LoadColumns(q, count, columns, shape.head_dim, shape.scale * kLog2E, queries);
}

// Copies rows of HD floats to rows of `stride`, zeros after each.
HWY_INLINE float* CopyRows(const Rows& from, int64_t rows, int head_dim, int64_t stride, float* to) {
  for (int64_t i = 0; i < rows; ++i, to += stride) {
    PrefetchNextHead(from.data + i * from.stride, head_dim);
    std::copy_n(from.data + i * from.stride, head_dim, to);
    std::fill(to + head_dim, to + stride, 0.0f);
  }
  return to;
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DIPTYCH_KERNELS_ATTENTION_ATTENTION_INL_H_
