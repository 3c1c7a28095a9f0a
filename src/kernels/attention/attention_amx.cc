#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/amx.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_job.h"
#include "kernels/parallel.h"
#include "kernels/products/tile_gemm.h"

// A head's keys and values are packed into tiles once; up to 32 queries at a time then take the scores of 32 keys in
// four tiles, softmax over rows in fp32, and the mix of 32 columns of the values in four tiles.
namespace diptych::kernels {
namespace {

constexpr int64_t kUnit = 32;                   // queries, keys and columns that are computed together
constexpr int64_t kTileValues = kUnit / 2 * 32;  // bf16 of a tile

int64_t Padded(int64_t n) {
  return (n + kUnit - 1) / kUnit * kUnit;
}

// Memory of one thread, for the longest sequence.
struct BrainScratch {
  BrainScratch(std::byte* memory, const BrainAttentionJob& job) {
    const int64_t keys = Padded(job.longest), d = Padded(job.shape.head_dim);
    const auto take = [&memory](auto*& pointer, int64_t n) {
      using T = std::remove_reference_t<decltype(*pointer)>;
      pointer = reinterpret_cast<T*>(memory);
      memory += n * static_cast<int64_t>(sizeof(T));
    };
    take(scores, kUnit * keys);
    take(mixed, kUnit * d);
    take(queries, kUnit * d);
    take(weights, kUnit * keys);
    take(k, keys * d);
    take(v, keys * d);
  }
  static int64_t Bytes(const BrainAttentionJob& job) {
    const int64_t keys = Padded(job.longest), d = Padded(job.shape.head_dim);
    return kUnit * (keys + d) * 6 + keys * d * 4;
  }

  float* scores;      // (kUnit, keys)
  float* mixed;       // (kUnit, HD)
  uint16_t* queries;  // (kUnit, HD)
  uint16_t* weights;  // (kUnit, keys)
  uint16_t* k;        // tiles (keys / 16, HD / 32)
  uint16_t* v;        // tiles (keys / 32, HD / 16)
};

// The next head's part of a row, which lies behind this one's: rows are pages apart, so that no other prefetcher sees
// where this goes. It takes a third off the time for T = 50.
inline void PrefetchNext(const uint16_t* row, int64_t d) {
  for (int64_t i = d; i < 2 * d; i += 32) _mm_prefetch(row + i, _MM_HINT_T0);
}

// The rows of one head that a sequence sees, its ancestors' first.
struct BrainHead {
  const BrainAttentionJob& job;
  int64_t sequence, column, keys;

  // Key `i`'s row, below `keys`.
  const uint16_t* Row(const uint16_t* rows, int64_t i) const {
    int64_t s = sequence;
    while (i < job.before[s]) s = job.Parent(s);
    return rows + (job.first_key[s] + i - job.before[s]) * job.input.kv_stride + column;
  }
};

DIPTYCH_AMX void PackKeys(const BrainHead& head, uint16_t* out) {
  const int64_t d = head.job.shape.head_dim, steps = Padded(d) / 32;
  const uint16_t* rows[16] = {};
  for (int64_t first = 0; first < Padded(head.keys); first += 16) {
    const int64_t count = std::clamp<int64_t>(head.keys - first, 0, 16);
    for (int64_t i = 0; i < count; ++i) {
      rows[i] = head.Row(head.job.input.k, first + i);
      PrefetchNext(rows[i], d);
    }
    for (int64_t step = 0; step < steps; ++step, out += kTileValues) {
      __m512i tile[16];
      for (int64_t i = 0; i < 16; ++i) {
        tile[i] = i < count ? LoadRow(rows[i] + 32 * step, d - 32 * step) : _mm512_setzero_si512();
      }
      Transpose(tile);
      for (int i = 0; i < 16; ++i) _mm512_store_si512(out + 32 * i, tile[i]);
    }
  }
}

DIPTYCH_AMX void PackValues(const BrainHead& head, uint16_t* out) {
  const int64_t d = head.job.shape.head_dim, pairs = Padded(d) / 32;
  alignas(64) uint16_t low[32], high[32];
  for (uint16_t i = 0; i < 16; ++i) {
    low[2 * i] = i;
    low[2 * i + 1] = static_cast<uint16_t>(i + 32);
    high[2 * i] = static_cast<uint16_t>(i + 16);
    high[2 * i + 1] = static_cast<uint16_t>(i + 48);
  }
  const __m512i lower = _mm512_load_si512(low), upper = _mm512_load_si512(high);
  for (int64_t first = 0; first < Padded(head.keys); first += 32, out += 2 * pairs * kTileValues) {
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t key = first + 2 * i;
      const uint16_t* even = key < head.keys ? head.Row(head.job.input.v, key) : nullptr;
      const uint16_t* odd = key + 1 < head.keys ? head.Row(head.job.input.v, key + 1) : nullptr;
      if (even != nullptr) PrefetchNext(even, d);
      if (odd != nullptr) PrefetchNext(odd, d);
      for (int64_t pair = 0; pair < pairs; ++pair) {
        const int64_t at = 32 * pair;
        const __m512i a = even == nullptr ? _mm512_setzero_si512() : LoadRow(even + at, d - at);
        const __m512i b = odd == nullptr ? _mm512_setzero_si512() : LoadRow(odd + at, d - at);
        uint16_t* tile = out + 2 * pair * kTileValues + 32 * i;
        _mm512_store_si512(tile, _mm512_permutex2var_epi16(a, lower, b));
        _mm512_store_si512(tile + kTileValues, _mm512_permutex2var_epi16(a, upper, b));
      }
    }
  }
}

// c (32, 32) = a (32, 32 * steps) times tiles of b: those of columns 0 to 15 one after the other `b_step` apart, those
// of columns 16 to 31 as far from them as `b_right`. `both`: there are more than 16 rows. Strides in values.
struct TileProduct {
  const uint16_t* a;
  int64_t a_stride;
  const uint16_t* b;
  int64_t b_step, b_right, steps;
  float* c;
  int64_t c_stride;
  bool both;
};
DIPTYCH_AMX inline void Multiply(const TileProduct& p) {
  const int64_t a_bytes = 2 * p.a_stride, c_bytes = 4 * p.c_stride;
  _tile_zero(0);
  _tile_zero(1);
  if (p.both) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t step = 0; step < p.steps; ++step) {
    const uint16_t *a = p.a + 32 * step, *b = p.b + p.b_step * step;
    _tile_loadd(4, a, a_bytes);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + p.b_right, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (p.both) {
      _tile_loadd(5, a + 16 * p.a_stride, a_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, p.c, c_bytes);
  _tile_stored(1, p.c + 16, c_bytes);
  if (p.both) {
    _tile_stored(2, p.c + 16 * p.c_stride, c_bytes);
    _tile_stored(3, p.c + 16 * p.c_stride + 16, c_bytes);
  }
}

// y += x * factor.
DIPTYCH_AMX void AddScaled(const float* x, int64_t n, float factor, float* y) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = FirstLanes(n - i);
    const __m512 sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + i), factors, _mm512_loadu_ps(y + i));
    _mm512_mask_storeu_ps(y + i, mask, sum);
  }
}

// weights = 2^(scale (scores - max)) of a row's first `visible` keys, zeros up to `padded`; returns 1 / their sum.
DIPTYCH_AMX float SoftmaxRow(const float* scores, int64_t visible, int64_t padded, float scale, uint16_t* weights) {
  const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  __m512 most = lowest;
  for (int64_t j = 0; j < visible; j += 16) {
    most = _mm512_max_ps(most, _mm512_mask_loadu_ps(lowest, FirstLanes(visible - j), scores + j));
  }
  const __m512 factor = _mm512_set1_ps(scale);
  const __m512 offset = _mm512_set1_ps(-scale * _mm512_reduce_max_ps(most));
  __m512 sum = _mm512_setzero_ps();
  for (int64_t j = 0; j < padded; j += 32) {
    __m512 half[2];
    for (int64_t h = 0; h < 2; ++h) {
      const int64_t at = j + 16 * h;
      const __m512 power = RoughExp2(_mm512_fmadd_ps(_mm512_loadu_ps(scores + at), factor, offset));
      half[h] = _mm512_maskz_mov_ps(FirstLanes(visible - at), power);
      sum = _mm512_add_ps(sum, half[h]);
    }
    _mm512_storeu_si512(weights + j, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(half[1], half[0])));
  }
  return 1.0f / _mm512_reduce_add_ps(sum);
}

// y = x * factor.
DIPTYCH_AMX void StoreRow(const float* x, int64_t n, float factor, uint16_t* y) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = FirstLanes(n - i);
    const __m256bh row = _mm512_cvtneps_pbh(_mm512_mul_ps(_mm512_loadu_ps(x + i), factors));
    _mm256_mask_storeu_epi16(y + i, mask, reinterpret_cast<__m256i>(row));
  }
}

// Up to 32 queries; query i sees the first visible + i keys (INT64_MAX: all).
struct QueryTile {
  const uint16_t* q;
  int64_t q_stride;
  int64_t count, visible;
  uint16_t* y;
};
DIPTYCH_AMX void AttendTile(const BrainHead& head, const QueryTile& tile, const BrainScratch& scratch) {
  const AttentionShape& shape = head.job.shape;
  const int64_t d = shape.head_dim, d_padded = Padded(d), tiles = d_padded / 32, count = tile.count;
  const bool all = tile.visible == INT64_MAX;
  const int64_t padded = Padded(all ? head.keys : std::min(head.keys, tile.visible + count - 1));
  for (int64_t i = 0; i < count; ++i) {
    PrefetchNext(tile.q + i * tile.q_stride, d);
    for (int64_t at = 0; at < d; at += 32) {
      _mm512_storeu_si512(scratch.queries + i * d_padded + at, LoadRow(tile.q + i * tile.q_stride + at, d - at));
    }
  }
  for (int64_t key = 0; key < padded; key += kUnit) {
    Multiply({.a = scratch.queries,
              .a_stride = d_padded,
              .b = scratch.k + key / 16 * tiles * kTileValues,
              .b_step = kTileValues,
              .b_right = tiles * kTileValues,
              .steps = tiles,
              .c = scratch.scores + key,
              .c_stride = padded,
              .both = count > 16});
  }
  constexpr float kLog2E = 1.44269504088896340736f;
  const float* key_bias = head.job.KeyBias(head.sequence);
  float inverse[kUnit];
  for (int64_t i = 0; i < count; ++i) {
    float* scores = scratch.scores + i * padded;
    if (key_bias != nullptr) AddScaled(key_bias, std::min(head.keys, padded), 1.0f / shape.scale, scores);
    const int64_t visible = all ? head.keys : std::min(head.keys, tile.visible + i);
    inverse[i] = SoftmaxRow(scores, visible, padded, shape.scale * kLog2E, scratch.weights + i * padded);
  }
  for (int64_t at = 0; at < d_padded; at += kUnit) {
    Multiply({.a = scratch.weights,
              .a_stride = padded,
              .b = scratch.v + at / 16 * kTileValues,
              .b_step = 2 * tiles * kTileValues,
              .b_right = kTileValues,
              .steps = padded / 32,
              .c = scratch.mixed + at,
              .c_stride = d_padded,
              .both = count > 16});
  }
  const int64_t y_stride = int64_t{shape.heads} * d;
  for (int64_t i = 0; i < count; ++i) StoreRow(scratch.mixed + i * d_padded, d, inverse[i], tile.y + i * y_stride);
}

// Pairs [begin, end) of sequence * NH + head.
DIPTYCH_AMX void AttendPairs(const BrainAttentionJob& job, int64_t begin, int64_t end, const BrainScratch& scratch,
                             uint16_t* y) {
  const AttentionShape& shape = job.shape;
  ConfigureTiles();
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t sequence = pair / shape.heads, queries = job.Queries(sequence);
    if (queries == 0) continue;
    const BrainHead head{job, sequence, pair % shape.heads * shape.head_dim, job.Keys(sequence)};
    PackKeys(head, scratch.k);
    PackValues(head, scratch.v);
    const int64_t first = job.first_query[sequence];
    for (int64_t i = 0; i < queries; i += kUnit) {
      AttendTile(head,
                 {.q = job.input.q + (first + i) * job.input.q_stride + head.column,
                  .q_stride = job.input.q_stride,
                  .count = std::min(kUnit, queries - i),
                  .visible = shape.causal ? head.keys - queries + 1 + i : INT64_MAX,
                  .y = y + (first + i) * shape.heads * shape.head_dim + head.column},
                 scratch);
    }
  }
  _tile_release();
}

}  // namespace

bool HasBrainAttention() {
  return HasTiles();
}

void Attention(Context& context, const BrainAttentionInput& input, const AttentionShape& shape, uint16_t* y) {
  CHECK(HasBrainAttention());
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const BrainAttentionJob job(arena, input, shape);
  context.AddWork(job.AskedFor());
  const int64_t per_thread = BrainScratch::Bytes(job);
  std::byte* memory = static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(per_thread * context.threads())));
  // Rows of a tile that no query fills are multiplied too: whatever they hold must not be slow to multiply.
  std::memset(memory, 0, static_cast<size_t>(per_thread * context.threads()));
  ParallelForRanked(context, job.pairs, job.Grain(context.threads()), [&](int64_t begin, int64_t end, int rank) {
    AttendPairs(job, begin, end, BrainScratch(memory + rank * per_thread, job), y);
  });
}

}  // namespace diptych::kernels
