#include "kernels/products/tile_pack.h"

#include <algorithm>
#include <cstring>

#include "core/tensor.h"
#include "kernels/amx.h"
#include "kernels/products/tile_gemm.h"

namespace diptych::kernels {
namespace {

constexpr int64_t kStepValues = 32;  // of K, in bf16

// Of one row of a matrix along K, a step.
DIPTYCH_AMX inline __m512i StepOfRow(const float* row, int64_t left) {
  const __m512 low = _mm512_maskz_loadu_ps(FirstLanes(left), row);
  const __m512 high = _mm512_maskz_loadu_ps(FirstLanes(left - 16), row + 16);
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// Of 16 rows of a matrix across K, two values of K: rows lie `stride` apart.
DIPTYCH_AMX inline __m512i PairOfColumns(const float* values, int64_t stride, int64_t left, __mmask16 rows) {
  static constexpr struct alignas(64) Interleave {
    uint16_t index[32];
    constexpr Interleave() : index() {
      for (int i = 0; i < 32; ++i) index[i] = static_cast<uint16_t>(i / 2 + i % 2 * 16);
    }
  } kInterleave;
  const __m512 even = _mm512_maskz_loadu_ps(left > 0 ? rows : 0, values);
  const __m512 odd = _mm512_maskz_loadu_ps(left > 1 ? rows : 0, values + stride);
  return _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave.index),
                                  reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd, even)));
}

// The next step's: they lie pages apart, where no prefetcher sees them come.
DIPTYCH_AMX inline void PrefetchStep(const FloatMatrix& m, int64_t row, int64_t k) {
  for (int64_t i = k; i < std::min(m.k, k + kStepValues); ++i) _mm_prefetch(m.data + i * m.rows + row, _MM_HINT_T0);
}

// 16 rows by one step, each a row of the tile; kTransposed: each a column of its dwords.
template <bool kTransposed>
DIPTYCH_AMX inline void TileOf(const FloatMatrix& m, int64_t row, int64_t count, int64_t k, std::byte* out) {
  __m512i tile[16];
  if (m.along_k) {
    for (int64_t i = 0; i < 16; ++i) {
      tile[i] = i < count ? StepOfRow(m.data + (row + i) * m.k + k, m.k - k) : _mm512_setzero_si512();
    }
    if constexpr (kTransposed) Transpose(tile);
  } else {
    PrefetchStep(m, row, k + kStepValues);
    const __mmask16 rows = FirstLanes(count);
    for (int64_t i = 0; i < 16; ++i) {
      tile[i] = PairOfColumns(m.data + (k + 2 * i) * m.rows + row, m.rows, m.k - k - 2 * i, rows);
    }
    if constexpr (!kTransposed) Transpose(tile);
  }
  for (int i = 0; i < 16; ++i) _mm512_store_si512(out + i * kStepBytes, tile[i]);
}

// kTransposed: as W.
template <bool kTransposed>
DIPTYCH_AMX void Convert(const FloatMatrix& m, int64_t row, int64_t count, std::byte* out) {
  const int64_t steps = m.steps(), units = (count + kTileUnit - 1) / kTileUnit;
  const auto unit_step = [&](int64_t unit, int64_t step) DIPTYCH_AMX {
    std::byte* to = out + (unit * steps + step) * kUnitStep;
    for (int64_t half = 0; half < kTileUnit; half += 16, to += kTileBytes) {
      const int64_t first = unit * kTileUnit + half;
      TileOf<kTransposed>(m, row + first, std::clamp<int64_t>(count - first, 0, 16), step * kStepValues, to);
    }
  };
  if (m.along_k) {  // in the order in which the matrix lies
    for (int64_t unit = 0; unit < units; ++unit) {
      for (int64_t step = 0; step < steps; ++step) unit_step(unit, step);
    }
  } else {
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t unit = 0; unit < units; ++unit) unit_step(unit, step);
    }
  }
}

}  // namespace

DIPTYCH_AMX void CopyRowsToTiles(const Rows& x, int64_t row, int64_t count, std::byte* out) {
  const int64_t bytes = static_cast<int64_t>(x.row_bytes()), steps = StepsOf(bytes), rest = bytes % kStepBytes;
  const __mmask64 last = rest == 0 ? ~__mmask64{0} : (__mmask64{1} << rest) - 1;
  for (int64_t unit = 0; unit < count; unit += kTileUnit, out += steps * kUnitStep) {
    for (int64_t i = 0; i < kTileUnit; ++i) {
      std::byte* to = out + i * kStepBytes;
      if (unit + i >= count) {
        for (int64_t step = 0; step < steps; ++step) _mm512_store_si512(to + step * kUnitStep, _mm512_setzero_si512());
        continue;
      }
      const std::byte* from = x.row(row + unit + i);
      for (int64_t step = 0; step + 1 < steps; ++step) {
        _mm512_store_si512(to + step * kUnitStep, _mm512_loadu_si512(from + step * kStepBytes));
      }
      _mm512_store_si512(to + (steps - 1) * kUnitStep, _mm512_maskz_loadu_epi8(last, from + (steps - 1) * kStepBytes));
    }
  }
}

void ConvertRowsToTiles(const FloatMatrix& x, int64_t row, int64_t count, std::byte* out) {
  Convert<false>(x, row, count, out);
}

void ConvertColumnsToTiles(const FloatMatrix& w, int64_t row, int64_t count, std::byte* out) {
  Convert<true>(w, row, count, out);
}

DIPTYCH_AMX Tensor PackTiles(const std::byte* w, int64_t n, int64_t row_bytes) {
  const int64_t panels = (n + kTileUnit - 1) / kTileUnit, steps = StepsOf(row_bytes);
  Tensor tiles = Tensor::Uninitialized(DType::kU8, {panels, steps, kUnitStep});
  std::byte* out = reinterpret_cast<std::byte*>(tiles.mutable_data<uint8_t>());
  for (int64_t first = 0; first < panels * kTileUnit; first += kTileUnit) {
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t bytes = std::min(kStepBytes, row_bytes - step * kStepBytes);
      for (int64_t half = 0; half < kTileUnit; half += 16, out += kTileBytes) {
        const int64_t columns = std::clamp<int64_t>(n - first - half, 0, 16);
        alignas(64) std::byte rows[16][kStepBytes] = {};
        for (int64_t i = 0; i < columns; ++i) {
          std::memcpy(rows[i], w + (first + half + i) * row_bytes + step * kStepBytes, static_cast<size_t>(bytes));
        }
        __m512i tile[16];
        for (int i = 0; i < 16; ++i) tile[i] = _mm512_load_si512(rows[i]);
        Transpose(tile);
        for (int i = 0; i < 16; ++i) _mm512_store_si512(out + i * kStepBytes, tile[i]);
      }
    }
  }
  return tiles;
}

}  // namespace diptych::kernels
