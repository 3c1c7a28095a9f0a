// The way of sums out of a product of tiles, in pieces small enough to fit between its steps. Private to kernels/,
// x86-64 alone.
#ifndef DIPTYCH_KERNELS_PRODUCTS_TILE_FINISHER_H_
#define DIPTYCH_KERNELS_PRODUCTS_TILE_FINISHER_H_

#include <algorithm>

#include "kernels/amx.h"
#include "kernels/products/narrow_epilogue.h"
#include "kernels/products/tile_gemm.h"

namespace diptych::kernels {

/// x sigmoid(z), z = w / log2(e), some 2e-4 relative, which bf16 hides.
DIPTYCH_AMX inline __m512 RoughTimesSigmoid2(__m512 x, __m512 w) {
  const __m512 power = RoughExp2(_mm512_sub_ps(_mm512_setzero_ps(), w));
  return _mm512_mul_ps(x, _mm512_rcp14_ps(_mm512_add_ps(power, _mm512_set1_ps(1.0f))));
}

template <Activation kActivation>
DIPTYCH_AMX inline __m512 RoughActivation(__m512 x) {
  constexpr float kLog2E = 1.44269504088896340736f;
  if constexpr (kActivation == Activation::kRelu || kActivation == Activation::kRelu6) {
    x = _mm512_max_ps(_mm512_setzero_ps(), x);  // the second operand is the one that is returned for NaN
    if constexpr (kActivation == Activation::kRelu6) x = _mm512_min_ps(_mm512_set1_ps(6.0f), x);
    return x;
  } else if constexpr (kActivation == Activation::kQuickGelu) {
    return RoughTimesSigmoid2(x, _mm512_mul_ps(x, _mm512_set1_ps(1.702f * kLog2E)));
  } else if constexpr (kActivation == Activation::kGeluTanh) {
    constexpr float c = 1.5957691216057308f * kLog2E;
    const __m512 cubic = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f * c), _mm512_set1_ps(c));
    return RoughTimesSigmoid2(x, _mm512_mul_ps(x, cubic));
  } else if constexpr (kActivation == Activation::kGelu) {
    // The logit of the normal distribution as a polynomial, fitted for the least error of GELU: 6e-5 absolute, 3e-4 of
    // |y| + 0.02.
    const __m512 x2 = _mm512_min_ps(_mm512_set1_ps(25.0f), _mm512_mul_ps(x, x));
    __m512 p = _mm512_fmadd_ps(x2, _mm512_set1_ps(-0.000767209f * kLog2E), _mm512_set1_ps(0.0744760573f * kLog2E));
    p = _mm512_fmadd_ps(x2, p, _mm512_set1_ps(1.59443126f * kLog2E));
    return RoughTimesSigmoid2(x, _mm512_mul_ps(x, p));
  } else {
    static_assert(kActivation == Activation::kNone);
    return x;
  }
}

/// Where the sums of a block of rows go, one group of columns (rows, kTileGroup) after the other.
struct TileTarget {
  const NarrowTile& y;  // all of it
  int64_t row, rows;

  int64_t Columns(int64_t group) const { return std::min(kTileGroup, y.columns - group * kTileGroup); }
};

/// Finishes a group all at once.
class WholeFinisher {
 public:
  explicit WholeFinisher(const TileTarget& target) : target_(target) {}
  void Begin(int64_t group, const std::byte* sums, int64_t) {
    FinishTile(target_.y.Part(target_.row, target_.rows, group, kTileGroup, sums, kTileGroup));
  }
  void Step() {}
  void Finish() {}

 private:
  const TileTarget& target_;
};

/// Finishes a few sums at each step of the products of the next group. The processor looks some 500 instructions ahead,
/// and the products must be among them: hence so few here, and all that can be known is known when compiled.
/// REQUIRES: N is a multiple of 32.
template <bool kScaled, bool kToBrains, Activation kActivation>
class StepFinisher {
 public:
  explicit StepFinisher(const TileTarget& target) : target_(target) {}

  /// The next group, whose sums are complete; those of the one before are finished first. `steps`: of the products that
  /// come now.
  DIPTYCH_AMX void Begin(int64_t group, const std::byte* sums, int64_t steps) {
    Finish();
    part_ = target_.y.Part(target_.row, target_.rows, group, kTileGroup, nullptr, 0);
    sums_ = sums;
    residual_ = part_.residual;
    y_ = kToBrains ? reinterpret_cast<std::byte*>(part_.brains) : reinterpret_cast<std::byte*>(part_.y);
    strips_ = part_.rows * part_.columns / kStrip;
    rate_ = (strips_ << kFraction) / steps + 1;
    done_ = due_ = column_ = row_ = 0;
  }
  DIPTYCH_AMX inline void Step() {
    due_ += rate_;
    while (done_ < due_ >> kFraction && done_ < strips_) Strip();
  }
  DIPTYCH_AMX void Finish() {
    while (done_ < strips_) Strip();
  }

 private:
  static constexpr int64_t kStrip = 32;  // columns of one row
  static constexpr int kFraction = 16;
  static constexpr int64_t kAhead = 8;  // rows; those of y lie pages apart, where no prefetcher sees them come
  static constexpr int64_t kSize = kToBrains ? 2 : 4;

  DIPTYCH_AMX inline __m512 Value(int64_t half) const {
    const int64_t column = column_ + half;
    __m512 value;
    if constexpr (kScaled) {
      const __m512i sums = _mm512_load_si512(sums_ + half * 4), offsets = _mm512_loadu_si512(part_.offsets + column);
      value = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sums, offsets)),
                            _mm512_loadu_ps(part_.column_scales + column));
      value = _mm512_mul_ps(value, _mm512_set1_ps(part_.row_scales[row_]));
    } else {
      value = _mm512_load_ps(sums_ + half * 4);
    }
    if (part_.bias != nullptr) value = _mm512_add_ps(value, _mm512_loadu_ps(part_.bias + column));
    if (residual_ != nullptr) value = _mm512_add_ps(value, _mm512_loadu_ps(residual_ + column));
    return RoughActivation<kActivation>(value);
  }

  DIPTYCH_AMX inline void Strip() {
    const int64_t n = part_.stride;
    std::byte* y = y_ + column_ * kSize;
    __builtin_prefetch(y + kAhead * n * kSize, 1);
    const __m512 a = Value(0), b = Value(16);
    if constexpr (kToBrains) {
      _mm512_storeu_si512(y, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a)));
      if (part_.largest != nullptr) {
        const __m512 most = _mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b));
        most_ = column_ == 0 ? most : _mm512_max_ps(most_, most);
      }
    } else {
      __builtin_prefetch(y + kAhead * n * kSize + 64, 1);
      _mm512_storeu_ps(y, a);
      _mm512_storeu_ps(y + 64, b);
    }
    ++done_;
    column_ += kStrip;
    sums_ += kStrip * 4;
    if (column_ < part_.columns) return;
    if constexpr (kToBrains) {
      if (part_.largest != nullptr) part_.largest[row_] = _mm512_reduce_max_ps(most_);
    }
    sums_ += (kTileGroup - part_.columns) * 4;
    y_ += n * kSize;
    if (residual_ != nullptr) residual_ += n;
    column_ = 0;
    ++row_;
  }

  const TileTarget& target_;
  NarrowTile part_;                   // the group
  const std::byte* sums_ = nullptr;   // of the next strip
  std::byte* y_ = nullptr;            // of its row
  const float* residual_ = nullptr;   // of its row
  int64_t column_ = 0, row_ = 0;
  int64_t strips_ = 0, done_ = 0, due_ = 0, rate_ = 0;  // due and rate with a fraction
  __m512 most_;                                         // of the row so far
};

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PRODUCTS_TILE_FINISHER_H_
