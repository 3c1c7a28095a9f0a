#include "kernels/attention/attention.h"

#include <algorithm>

#include "kernels/attention/attention_job.h"
#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

// How it works: attention_inl.h. Only Q is transposed, one small tile at a time. The tile for T = 257 is 16 KB and
// lives in L1; for T = 1024 it is in L2, which the products hide, so there is no need to rescale partial softmaxes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/attention/attention_inl.h"

#ifndef DIPTYCH_KERNELS_ATTENTION_ONCE_
#define DIPTYCH_KERNELS_ATTENTION_ONCE_
namespace diptych::kernels {

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

// One head of one sequence.
struct Head {
  Rows q, k, v;
  int64_t keys, queries;
  const float* key_bias;  // (keys), or null
  float* y;
  int64_t y_stride;
};

// Scores are in the unit of powers of two.
template <int kVectors>
void AddKeyBias(const float* bias, int64_t keys, float* scores) {
  const Floats d;
  for (int64_t j = 0; j < keys; ++j) {
    const V value = hn::Set(d, bias[j] * kLog2E);
    for (int v = 0; v < kVectors; ++v) {
      float* at = scores + j * kTile + v * kLanes;
      hn::Store(hn::Add(hn::Load(d, at), value), d, at);
    }
  }
}

template <int kVectors>
void AttendTile(const Head& head, int count, int64_t visible, const AttentionShape& shape,
                const AttentionScratch& scratch) {
  HWY_ALIGN float inverse[kTile];
  const int64_t keys = std::min(head.keys, visible == INT64_MAX ? visible : visible + count - 1);
  LoadQueries(head.q, count, kVectors * kLanes, shape, scratch.queries);
  Scores<kVectors>(head.k, keys, scratch.queries, shape.head_dim, scratch.scores);
  if (head.key_bias != nullptr) AddKeyBias<kVectors>(head.key_bias, keys, scratch.scores);
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

// Keys and values are copied together where they would otherwise be read from rows far apart many times (the rows of a
// head are 4 KB and more apart, which wastes the cache's sets), where those of parents come before them, and where a
// vector would reach beyond a row.
void PackKeysAndValues(const AttentionJob& job, int64_t sequence, int64_t column, const AttentionScratch& scratch,
                       Head& head) {
  const AttentionInput& input = job.input;
  const AttentionShape& shape = job.shape;
  const bool ragged = shape.head_dim % kLanes != 0;
  if (job.before[sequence] == 0 && head.queries <= kTile && !ragged) return;
  const int64_t v_stride = (shape.head_dim + kLanes - 1) / kLanes * kLanes;
  for (int64_t s = sequence; s >= 0; s = job.Parent(s)) {
    const int64_t from = job.first_key[s] * input.kv_stride + column, to = job.before[s], rows = input.lengths[s];
    CopyRows({input.k + from, input.kv_stride}, rows, shape.head_dim, shape.head_dim,
             scratch.keys + to * shape.head_dim);
    CopyRows({input.v + from, input.kv_stride}, rows, shape.head_dim, v_stride, scratch.values + to * v_stride);
  }
  head.k = {scratch.keys, shape.head_dim};
  head.v = {scratch.values, v_stride};
}

// Pairs [begin, end) of sequence * NH + head.
void AttendPairs(const AttentionJob& job, int64_t begin, int64_t end, const AttentionScratch& scratch, float* y) {
  const AttentionInput& input = job.input;
  const AttentionShape& shape = job.shape;
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t sequence = pair / shape.heads, column = pair % shape.heads * shape.head_dim;
    const int64_t first_key = job.first_key[sequence], first_query = job.first_query[sequence];
    Head head{.q = {input.q + first_query * input.q_stride + column, input.q_stride},
              .k = {input.k + first_key * input.kv_stride + column, input.kv_stride},
              .v = {input.v + first_key * input.kv_stride + column, input.kv_stride},
              .keys = job.Keys(sequence),
              .queries = job.Queries(sequence),
              .key_bias = job.KeyBias(sequence),
              .y_stride = int64_t{shape.heads} * shape.head_dim};
    if (head.queries == 0) continue;
    head.y = y + first_query * head.y_stride + column;
    PackKeysAndValues(job, sequence, column, scratch, head);
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
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const AttentionJob job(arena, input, shape);
  context.AddWork(job.AskedFor());
  const int64_t longest = job.longest;
  const int64_t padded = (shape.head_dim + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
  const int64_t queries_size = shape.head_dim * kMaxTile, scores_size = longest * kMaxTile;
  const int64_t per_thread = queries_size + scores_size + 2 * longest * padded;
  float* memory = arena.Allocate<float>(per_thread * context.threads());
  ParallelForRanked(context, job.pairs, job.Grain(context.threads()), [&](int64_t begin, int64_t end, int rank) {
    float* own = memory + rank * per_thread;
    const AttentionScratch scratch{own, own + queries_size, own + queries_size + scores_size,
                                   own + queries_size + scores_size + longest * padded};
    HWY_DYNAMIC_DISPATCH(AttendPairs)(job, begin, end, scratch, y);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
