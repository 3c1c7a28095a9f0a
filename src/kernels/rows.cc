#include "kernels/rows.h"

#include <algorithm>
#include <cstring>

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/brain_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

struct LoadFloats {
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D d, const float* x) const {
    return hn::LoadU(d, x);
  }
};

struct LoadBF16 {
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D d, const uint16_t* x) const {
    return LoadBrains(d, x);
  }
};

template <class Load, class T>
HWY_INLINE float LargestOf(const Load& load, const T* x, int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto most = hn::Zero(d), most2 = most;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    most = hn::Max(most, hn::Abs(load(d, x + i)));
    most2 = hn::Max(most2, hn::Abs(load(d, x + i + lanes)));
  }
  float largest = hn::GetLane(hn::MaxOfLanes(d, hn::Max(most, most2)));
  for (; i < n; ++i) largest = std::max(largest, std::abs(hn::GetLane(load(one, x + i))));
  return largest;
}

float LargestMagnitude(const float* x, int64_t n) {
  return LargestOf(LoadFloats(), x, n);
}
float LargestBrain(const uint16_t* x, int64_t n) {
  return LargestOf(LoadBF16(), x, n);
}

// y = round(x * factor) + 128, between 1 and 255.
template <class Load, class T>
HWY_INLINE void Quantize(const Load& load, const T* x, int64_t n, float factor, uint8_t* y) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<uint8_t, decltype(d)> du8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto scale = hn::Set(d, factor);
  const auto zero_point = hn::Set(di, 128);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto levels = hn::Add(hn::NearestInt(hn::Mul(load(d, x + i), scale)), zero_point);
    hn::StoreU(hn::DemoteTo(du8, levels), du8, y + i);
  }
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) {
    const float level = hn::GetLane(load(one, x + i)) * factor;
    y[i] = static_cast<uint8_t>(std::clamp(std::nearbyint(level), -127.0f, 127.0f) + 128.0f);
  }
}

void QuantizeFloats(const float* x, int64_t n, float factor, uint8_t* y) {
  Quantize(LoadFloats(), x, n, factor, y);
}
void QuantizeBrains(const uint16_t* x, int64_t n, float factor, uint8_t* y) {
  Quantize(LoadBF16(), x, n, factor, y);
}

void FloatsToBrainRow(const float* x, int64_t n, uint16_t* y) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) StoreBrains(d, hn::LoadU(d, x + i), y + i);
  for (; i < n; ++i) StoreBrains(one, hn::LoadU(one, x + i), y + i);
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(LargestMagnitude);
HWY_EXPORT(LargestBrain);
HWY_EXPORT(QuantizeFloats);
HWY_EXPORT(QuantizeBrains);
HWY_EXPORT(FloatsToBrainRow);

namespace {

constexpr float kLevels = 127.0f;  // on either side of the zero point

// The row's scale, and what its values are multiplied by: its inverse, or 0 for a row of zeros.
float FactorOf(float largest, float* scale) {
  *scale = largest / kLevels;
  return largest > 0 ? kLevels / largest : 0.0f;
}

}  // namespace

MutableRows AllocateRows(Arena& arena, Precision type, int64_t m, int64_t k) {
  MutableRows rows;
  rows.type = type;
  rows.k = k;
  const int64_t room = type == Precision::kF32 ? m : (m + kRowUnit - 1) / kRowUnit * kRowUnit;
  rows.data = static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(room) * rows.row_bytes()));
  if (type == Precision::kInt8) rows.scales = arena.Allocate<float>(room);
  return rows;
}

void ConvertRows(const float* x, int64_t m, const MutableRows& y, int64_t first) {
  const int64_t k = y.k;
  for (int64_t i = first; i < first + m; ++i, x += k) {
    switch (y.type) {
      case Precision::kF32: std::copy_n(x, k, reinterpret_cast<float*>(y.row(i))); break;
      case Precision::kBF16:
        HWY_DYNAMIC_DISPATCH(FloatsToBrainRow)(x, k, reinterpret_cast<uint16_t*>(y.row(i)));
        break;
      case Precision::kInt8: {
        const float factor = FactorOf(HWY_DYNAMIC_DISPATCH(LargestMagnitude)(x, k), &y.scales[i]);
        HWY_DYNAMIC_DISPATCH(QuantizeFloats)(x, k, factor, reinterpret_cast<uint8_t*>(y.row(i)));
        break;
      }
    }
  }
}

void ConvertRows(Context& context, const float* x, int64_t m, const MutableRows& y) {
  ParallelFor(context, m, kRowUnit,
              [&](int64_t begin, int64_t end) { ConvertRows(x + begin * y.k, end - begin, y, begin); });
}

Rows RowsOf(Context& context, const float* x, int64_t m, int64_t k, Precision type) {
  if (type == Precision::kF32) return {type, reinterpret_cast<const std::byte*>(x), nullptr, k};
  const MutableRows rows = AllocateRows(context.arena(), type, m, k);
  ConvertRows(context, x, m, rows);
  return rows;
}

Rows RowsOf(Context& context, const Rows& x, int64_t m, Precision type) {
  CHECK(x.type == Precision::kBF16 && type != Precision::kF32);
  if (type == Precision::kBF16) return x;
  const MutableRows rows = AllocateRows(context.arena(), type, m, x.k);
  ParallelFor(context, m, kRowUnit, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto* brains = reinterpret_cast<const uint16_t*>(x.row(i));
      const float largest = HWY_DYNAMIC_DISPATCH(LargestBrain)(brains, x.k);
      MutableRows one = rows;
      one.data = rows.row(i);
      one.scales = rows.scales + i;
      QuantizeRows(brains, &largest, 1, one);
    }
  });
  return rows;
}

void GatherRows(const Rows& x, std::span<const int64_t> rows, const MutableRows& y) {
  CHECK(x.type == y.type && x.k == y.k);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(y.row(static_cast<int64_t>(i)), x.row(rows[i]), x.row_bytes());
    if (x.scales != nullptr) y.scales[i] = x.scales[rows[i]];
  }
}

void QuantizeRows(const uint16_t* x, const float* largest, int64_t m, const MutableRows& y) {
  for (int64_t i = 0; i < m; ++i) {
    const float factor = FactorOf(largest[i], &y.scales[i]);
    HWY_DYNAMIC_DISPATCH(QuantizeBrains)(x + i * y.k, y.k, factor, reinterpret_cast<uint8_t*>(y.row(i)));
  }
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
