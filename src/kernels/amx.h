// AMX: eight registers of 16 rows by 64 bytes, and a unit that multiplies them. C (16, 16) += A (16, 64 bytes) B, where
// a row of B holds the two (bf16) or four (int8) values of each column that meet one dword of a row of A. Intrinsics,
// for Highway has no tiles; each function names the instructions that it may use. Private to kernels/, x86-64 alone.
#ifndef DIPTYCH_KERNELS_AMX_H_
#define DIPTYCH_KERNELS_AMX_H_

#include <immintrin.h>

#include <cstdint>

#define DIPTYCH_AMX \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,prfchw,amx-tile,amx-bf16,amx-int8")))

namespace diptych::kernels {

/// All eight of full size; the calling thread's, until _tile_release.
DIPTYCH_AMX inline void ConfigureTiles() {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};
  } config;
  for (int i = 0; i < 8; ++i) {
    config.bytes[i] = 64;
    config.rows[i] = 16;
  }
  _tile_loadconfig(&config);
}

/// Of 16, or fewer or none.
DIPTYCH_AMX inline __mmask16 FirstLanes(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1 << count) - 1);
}

/// Of a row, 32 values or those that there are; zeros behind them, and a row of zeros for none.
DIPTYCH_AMX inline __m512i LoadRow(const uint16_t* row, int64_t count) {
  if (count >= 32) return _mm512_loadu_si512(row);
  if (count <= 0) return _mm512_setzero_si512();
  return _mm512_maskz_loadu_epi16((__mmask32{1} << count) - 1, row);
}

/// Rows of 16 dwords become columns.
DIPTYCH_AMX inline void Transpose(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; ++j) {
      r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  }
  for (int i = 0; i < 4; ++i) {
    for (int half = 0; half < 2; ++half) {
      t[8 * half + i] = _mm512_shuffle_i32x4(r[8 * half + i], r[8 * half + i + 4], 0x88);
      t[8 * half + i + 4] = _mm512_shuffle_i32x4(r[8 * half + i], r[8 * half + i + 4], 0xdd);
    }
  }
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

/// 2^x, some 1e-4 relative, which bf16 hides.
DIPTYCH_AMX inline __m512 RoughExp2(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), r = _mm512_sub_ps(x, n);
  __m512 p = _mm512_set1_ps(0.0558263f);  // minimax on [-1/2, 1/2]
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.2401536f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6931531f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.9999893f));
  return _mm512_scalef_ps(p, n);
}

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_AMX_H_
