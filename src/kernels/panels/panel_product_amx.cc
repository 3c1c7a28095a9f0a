#include <algorithm>

#include "kernels/amx.h"
#include "kernels/panels/panel_cursor.h"
#include "kernels/panels/panel_product.h"

namespace diptych::kernels {
namespace {

constexpr int64_t kTileValues = 16 * kPanel;

// sums (32, 32) = bias + x W of up to 32 rows, in four tiles. `both`: there are more than 16.
DIPTYCH_AMX inline void SumsOfTiles(const Panels& x, int64_t steps, bool both, const uint16_t* w, const float* bias,
                                    float* sums) {
  _tile_loadd(0, bias, 0);  // the same row 16 times
  _tile_loadd(1, bias + 16, 0);
  if (both) {
    _tile_loadd(2, bias, 0);
    _tile_loadd(3, bias + 16, 0);
  }
  const uint16_t* in = x.data;
  for (int64_t step = 0; step < steps; ++step, in += x.stride, w += 2 * kTileValues) {
    _tile_loadd(4, in, 64);
    _tile_loadd(6, w, 64);
    _tile_loadd(7, w + kTileValues, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (both) {
      _tile_loadd(5, in + kTileValues, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, 128);
  _tile_stored(1, sums + 16, 128);
  if (both) {
    _tile_stored(2, sums + 16 * kPanel, 128);
    _tile_stored(3, sums + 16 * kPanel + 16, 128);
  }
}

// Values of bf16 below 0 are negative as integers too, and those above 6 are greater: clamped after rounding, 32 at
// once.
template <bool kClamp, bool kResidual>
DIPTYCH_AMX inline void FinishRows(const float* sums, const uint16_t* residual, int64_t rows, uint16_t* y) {
  const __m512i zero = _mm512_setzero_si512(), six = _mm512_set1_epi16(0x40c0);
  for (int64_t i = 0; i < rows; ++i, sums += kPanel, y += kPanel) {
    __m512 low = _mm512_load_ps(sums), high = _mm512_load_ps(sums + 16);
    if constexpr (kResidual) {
      const auto* in = reinterpret_cast<const __m256i*>(residual + i * kPanel);
      const __m512i first = _mm512_cvtepu16_epi32(_mm256_loadu_si256(in));
      const __m512i second = _mm512_cvtepu16_epi32(_mm256_loadu_si256(in + 1));
      low = _mm512_add_ps(low, _mm512_castsi512_ps(_mm512_slli_epi32(first, 16)));
      high = _mm512_add_ps(high, _mm512_castsi512_ps(_mm512_slli_epi32(second, 16)));
    }
    __m512i row = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    if constexpr (kClamp) row = _mm512_min_epi16(_mm512_max_epi16(row, zero), six);
    _mm512_storeu_si512(y, row);
  }
}

template <bool kClamp, bool kResidual>
DIPTYCH_AMX void MultiplyAll(const PanelProduct& product) {
  // In turn: the next four tiles are computed while these are finished.
  alignas(64) float sums[2][kPanelRowUnit * kPanel];
  const int64_t steps = PanelsOf(product.w->k);
  int turn = 0;
  for (int64_t panel = product.begin; panel < product.end; ++panel) {
    const uint16_t* w = product.w->panel(panel);
    const float* bias = product.w->bias.data() + panel * kPanel;
    uint16_t* y = product.y.panel(panel - product.begin);
    const uint16_t* residual = kResidual ? product.residual.panel(panel - product.begin) : nullptr;
    PanelCursor cursor(product.frame);
    for (int64_t row = 0; row < product.m; row += kPanelRowUnit, turn ^= 1) {
      const int64_t rows = std::min(kPanelRowUnit, product.m - row);
      const float* from = sums[turn];
      SumsOfTiles(product.x.At(row), steps, rows > 16, w, bias, sums[turn]);
      for (int64_t done = 0; done < rows;) {
        const PanelCursor::Pixels run = cursor.Run(rows - done);
        FinishRows<kClamp, kResidual>(from + done * kPanel, kResidual ? residual + (row + done) * kPanel : nullptr,
                                      run.count, y + run.first * kPanel);
        done += run.count;
      }
    }
  }
}

}  // namespace

DIPTYCH_AMX void MultiplyPanelsOnTiles(const PanelProduct& product) {
  ConfigureTiles();
  if (product.residual.data == nullptr) {
    product.w->clamp ? MultiplyAll<true, false>(product) : MultiplyAll<false, false>(product);
  } else {
    product.w->clamp ? MultiplyAll<true, true>(product) : MultiplyAll<false, true>(product);
  }
  _tile_release();
}

}  // namespace diptych::kernels
