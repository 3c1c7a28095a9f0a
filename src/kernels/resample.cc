#include "kernels/resample.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/check.h"
#include "kernels/resample_weights.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resample.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef DIPTYCH_KERNELS_RESAMPLE_ONCE
#define DIPTYCH_KERNELS_RESAMPLE_ONCE
namespace diptych::kernels {

// A 22-bit weight times an 8-bit sample does not fit the 16-bit multiply-add of the vector units, which does two taps
// at once. So a weight is split as high * 2^15 + low, 0 <= low < 2^15, and both halves are summed apart. Sums may wrap
// around: the total is right modulo 2^32, and it fits.
constexpr int kLowBits = 15;

// Both halves for two neighbouring taps, as the multiply-add reads them: the first tap in the lower 16 bits.
struct WeightPair {
  int32_t high, low;
};

struct Axis {
  int stride;  // pairs an output
  std::vector<int> begin, taps;
  std::vector<WeightPair> pairs;  // (count, stride)
  std::vector<int32_t> weights;   // (count, 2 * stride), for what the vectors do not cover
};

// Rows of bytes. Reading up to 16 bytes past a row's end must be allowed.
struct Rows {
  const uint8_t* data;
  size_t stride;
  const uint8_t* row(int64_t y) const { return data + y * stride; }
};

inline uint8_t Rounded(uint32_t sum) {
  return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(sum) >> kWeightBits, 0, 255));
}
constexpr uint32_t kHalf = 1u << (kWeightBits - 1);

// One output sample by the scalar unit: `step` bytes lie between taps.
inline uint8_t WeightedSum(const uint8_t* in, size_t step, const int32_t* weights, int taps) {
  uint32_t sum = kHalf;
  for (int t = 0; t < taps; ++t) sum += static_cast<uint32_t>(weights[t]) * in[t * step];
  return Rounded(sum);
}

}  // namespace diptych::kernels
#endif  // DIPTYCH_KERNELS_RESAMPLE_ONCE

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR  // no shuffles there, and no CPU of this century needs it

void VerticalPass(const Rows& in, size_t row_bytes, const Axis& axis, uint8_t* out) {
  for (size_t y = 0; y < axis.begin.size(); ++y) {
    for (size_t x = 0; x < row_bytes; ++x) {
      const int32_t* weights = &axis.weights[y * 2 * axis.stride];
      *out++ = WeightedSum(in.row(axis.begin[y]) + x, in.stride, weights, axis.taps[y]);
    }
  }
}

template <int kChannels>
void HorizontalRows4(const Rows& in, const Axis& axis, uint8_t* out, size_t out_stride) {
  for (int r = 0; r < 4; ++r) {
    for (size_t x = 0; x < axis.begin.size() * kChannels; ++x) {
      const uint8_t* from = in.row(r) + axis.begin[x / kChannels] * kChannels + x % kChannels;
      const int32_t* weights = &axis.weights[x / kChannels * 2 * axis.stride];
      out[r * out_stride + x] = WeightedSum(from, kChannels, weights, axis.taps[x / kChannels]);
    }
  }
}

#else

namespace hn = hwy::HWY_NAMESPACE;

// At most 32 bytes: four taps of one pixel's four channels.
using D8 = hn::CappedTag<uint8_t, 32>;
using D16 = hn::RepartitionToWide<D8>;
using DI16 = hn::RebindToSigned<D16>;
using DI32 = hn::RepartitionToWide<DI16>;
using V8 = hn::Vec<D8>;
using VI16 = hn::Vec<DI16>;
using VI32 = hn::Vec<DI32>;

// Sums of products of neighbouring 16-bit lanes. Highway may keep two partial sums, in an order of its own.
struct PairSum {
  VI32 a, b;
  HWY_INLINE PairSum() : a(hn::Zero(DI32())), b(hn::Zero(DI32())) {}
  HWY_INLINE void Add(VI16 x, VI16 y) { a = hn::ReorderWidenMulAccumulate(DI32(), x, y, a, b); }
  HWY_INLINE VI32 Total() const { return hn::RearrangeToOddPlusEven(a, b); }
};

HWY_INLINE VI32 Join(const PairSum& high, const PairSum& low) {
  return hn::Add(hn::ShiftLeft<kLowBits>(high.Total()), low.Total());
}

HWY_INLINE VI32 Round(VI32 sum) {
  return hn::ShiftRight<kWeightBits>(hn::Add(sum, hn::Set(DI32(), static_cast<int32_t>(kHalf))));
}

// Lanes of four vectors, clipped to bytes, in the order that interleaving bytes twice took them apart.
HWY_INLINE V8 ClipToBytes(VI32 ll, VI32 lh, VI32 hl, VI32 hh) {
  alignas(32) static constexpr uint8_t kToLower[32] = {0,   2,   4,   6,   8,   10,  12,  14,  128, 128, 128,
                                                       128, 128, 128, 128, 128, 0,   2,   4,   6,   8,   10,
                                                       12,  14,  128, 128, 128, 128, 128, 128, 128, 128};
  alignas(32) static constexpr uint8_t kToUpper[32] = {128, 128, 128, 128, 128, 128, 128, 128, 0,   2,   4,
                                                       6,   8,   10,  12,  14,  128, 128, 128, 128, 128, 128,
                                                       128, 128, 0,   2,   4,   6,   8,   10,  12,  14};
  const DI16 d;
  const VI16 zero = hn::Zero(d), max = hn::Set(d, 255);
  const VI16 lower = hn::Min(hn::Max(hn::ReorderDemote2To(d, ll, lh), zero), max);
  const VI16 upper = hn::Min(hn::Max(hn::ReorderDemote2To(d, hl, hh), zero), max);
  return hn::Or(hn::TableLookupBytesOr0(hn::BitCast(D8(), lower), hn::Load(D8(), kToLower)),
                hn::TableLookupBytesOr0(hn::BitCast(D8(), upper), hn::Load(D8(), kToUpper)));
}

// Columns [x, x + Lanes(D8)) of an output row, from `pairs` pairs of input rows.
HWY_INLINE void VerticalBlock(const Rows& in, size_t x, int taps, const WeightPair* weights, uint8_t* out) {
  const D8 d8;
  const DI16 di16;
  const V8 zero = hn::Zero(d8);
  PairSum high[4], low[4];
  for (int t = 0; t < taps; t += 2) {
    const V8 first = hn::LoadU(d8, in.row(t) + x);
    const V8 second = hn::LoadU(d8, in.row(std::min(t + 1, taps - 1)) + x);
    const V8 lower = hn::InterleaveLower(d8, first, second), upper = hn::InterleaveUpper(d8, first, second);
    const VI16 samples[4] = {hn::BitCast(di16, hn::InterleaveLower(d8, lower, zero)),
                             hn::BitCast(di16, hn::InterleaveUpper(d8, lower, zero)),
                             hn::BitCast(di16, hn::InterleaveLower(d8, upper, zero)),
                             hn::BitCast(di16, hn::InterleaveUpper(d8, upper, zero))};
    const VI16 weight_high = hn::BitCast(di16, hn::Set(DI32(), weights[t / 2].high));
    const VI16 weight_low = hn::BitCast(di16, hn::Set(DI32(), weights[t / 2].low));
    for (int i = 0; i < 4; ++i) {
      high[i].Add(samples[i], weight_high);
      low[i].Add(samples[i], weight_low);
    }
  }
  hn::StoreU(ClipToBytes(Round(Join(high[0], low[0])), Round(Join(high[1], low[1])), Round(Join(high[2], low[2])),
                         Round(Join(high[3], low[3]))),
             d8, out + x);
}

// The last block overlaps the one before it: nothing beyond the row is touched.
void VerticalPass(const Rows& in, size_t row_bytes, const Axis& axis, uint8_t* out) {
  const size_t lanes = hn::Lanes(D8());
  for (size_t y = 0; y < axis.begin.size(); ++y, out += row_bytes) {
    const Rows taps_of = {in.row(axis.begin[y]), in.stride};
    if (row_bytes < lanes) {
      for (size_t x = 0; x < row_bytes; ++x) {
        out[x] = WeightedSum(taps_of.data + x, in.stride, &axis.weights[y * 2 * axis.stride], axis.taps[y]);
      }
      continue;
    }
    const WeightPair* weights = &axis.pairs[y * axis.stride];
    for (size_t x = 0; x < row_bytes; x += lanes) {
      VerticalBlock(taps_of, std::min(x, row_bytes - lanes), axis.taps[y], weights, out);
    }
  }
}

// Puts two taps' channels side by side and widens them: for each 16-byte half, two taps further.
template <int kChannels>
HWY_INLINE V8 TapShuffle() {
  alignas(32) uint8_t table[32];
  for (int i = 0; i < 32; ++i) {
    const int tap = 2 * (i / 16) + i / 2 % 2, channel = i % 16 / 4;
    table[i] = i % 2 == 0 && channel < kChannels ? static_cast<uint8_t>(tap * kChannels + channel) : 0x80;
  }
  return hn::Load(D8(), table);
}

HWY_INLINE VI16 Broadcast(const int32_t (&pairs)[2]) {
  alignas(32) const int32_t lanes[8] = {pairs[0], pairs[0], pairs[0], pairs[0], pairs[1], pairs[1], pairs[1], pairs[1]};
  return hn::BitCast(DI16(), hn::Load(DI32(), lanes));
}

HWY_INLINE VI32 SumOfBlocks(VI32 x) {
  if constexpr (HWY_MAX_BYTES >= 32) {
    return hn::Lanes(D8()) == 32 ? hn::Add(x, hn::ConcatLowerUpper(DI32(), x, x)) : x;
  } else {
    return x;
  }
}

// Four rows at once share the weights. Each output is stored as four bytes, of which the fourth is overwritten by the
// next pixel where there are three channels: an output row needs a spare byte.
template <int kChannels>
void HorizontalRows4(const Rows& in, const Axis& axis, uint8_t* out, size_t out_stride) {
  const D8 d8;
  const DI16 di16;
  constexpr int kRows = 4;
  const size_t step_taps = hn::Lanes(d8) / 8;
  const V8 shuffle = TapShuffle<kChannels>();
  for (size_t x = 0; x < axis.begin.size(); ++x) {
    PairSum high[kRows], low[kRows];
    const WeightPair* weights = &axis.pairs[x * axis.stride];
    const size_t taps = axis.taps[x];
    const uint8_t* from = in.data + static_cast<size_t>(axis.begin[x]) * kChannels;
    for (size_t t = 0; t < taps; t += step_taps) {
      const VI16 weight_high = Broadcast({weights[t / 2].high, weights[t / 2 + 1].high});
      const VI16 weight_low = Broadcast({weights[t / 2].low, weights[t / 2 + 1].low});
      for (int r = 0; r < kRows; ++r) {
        const V8 bytes = hn::LoadDup128(d8, from + r * in.stride + t * kChannels);
        const VI16 samples = hn::BitCast(di16, hn::TableLookupBytesOr0(bytes, shuffle));
        high[r].Add(samples, weight_high);
        low[r].Add(samples, weight_low);
      }
    }
    VI32 sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = Round(SumOfBlocks(Join(high[r], low[r])));
    alignas(32) uint8_t bytes[32];
    hn::Store(ClipToBytes(sums[0], sums[1], sums[2], sums[3]), d8, bytes);
    for (int r = 0; r < kRows; ++r) std::memcpy(out + r * out_stride + x * kChannels, bytes + 4 * r, 4);
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

void HorizontalRgb4(const Rows& in, const Axis& axis, uint8_t* out, size_t out_stride) {
  HorizontalRows4<3>(in, axis, out, out_stride);
}
void HorizontalRgba4(const Rows& in, const Axis& axis, uint8_t* out, size_t out_stride) {
  HorizontalRows4<4>(in, axis, out, out_stride);
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {
namespace {

HWY_EXPORT(VerticalPass);
HWY_EXPORT(HorizontalRgb4);
HWY_EXPORT(HorizontalRgba4);

Axis MakeAxis(int in_size, const AxisWindow& window, Filter filter, Resampler resampler) {
  AxisWeights exact = ComputeAxisWeights(in_size, window, filter, resampler);
  const bool torch = resampler == Resampler::kTorch;
  const int bits = torch ? TorchWeightBits(in_size, window.out_size, filter) : kWeightBits;
  Axis axis;
  // Four taps are read at once, on narrow vectors too; those past the last have weight zero.
  axis.stride = (exact.stride + 3) / 4 * 2 + 1;
  axis.pairs.assign(static_cast<size_t>(window.count) * axis.stride, WeightPair{0, 0});
  axis.weights.assign(axis.pairs.size() * 2, 0);
  for (int i = 0; i < window.count; ++i) {
    for (int t = 0; t < exact.taps[i]; ++t) {
      const double value = exact.weights[static_cast<size_t>(i) * exact.stride + t];
      const int32_t weight = torch ? TorchWeight(value, bits) : FixedPointWeight(value);
      axis.weights[static_cast<size_t>(i) * 2 * axis.stride + t] = weight;
      WeightPair& pair = axis.pairs[static_cast<size_t>(i) * axis.stride + t / 2];
      const uint32_t high = static_cast<uint32_t>(weight >> kLowBits) & 0xffff;
      const uint32_t low = static_cast<uint32_t>(weight) & ((1 << kLowBits) - 1);
      pair.high |= static_cast<int32_t>(high << (t % 2 * 16));
      pair.low |= static_cast<int32_t>(low << (t % 2 * 16));
    }
  }
  axis.begin = std::move(exact.begin);
  axis.taps = std::move(exact.taps);
  return axis;
}

// The inputs that an axis reads; its positions become relative to their begin.
struct Span {
  int64_t first, count;
};

Span TakeSpan(Axis* axis) {
  const Span span = {axis->begin.front(), axis->begin.back() + axis->taps.back() - axis->begin.front()};
  for (int& begin : axis->begin) begin -= static_cast<int>(span.first);
  return span;
}

// Rows resampled along x. REQUIRES: each row has `row_bytes` bytes that may be read.
class HorizontalPass {
 public:
  HorizontalPass(const Rows& in, size_t row_bytes, size_t channels, const Axis& axis)
      : in_(in), row_bytes_(row_bytes), channels_(channels), axis_(axis) {
    stride_ = axis.begin.size() * channels + 4;
  }

  void Run(int count) {
    out_.resize(stride_ * (count + 3));
    int y = 0;
    if (channels_ < 3) {
      for (; y < count; ++y) Scalar(in_.row(y), &out_[y * stride_]);
      return;
    }
    // The vectors read past the end of a row: into the next one, which must be there.
    if (in_.stride >= kPastEnd) {
      for (; y + 4 < count; y += 4) Vector({in_.row(y), in_.stride}, y);
    }
    for (; y < count; y += 4) Tail(std::min(count - y, 4), y);
  }

  Rows rows() const { return {out_.data(), stride_}; }

 private:
  static constexpr size_t kPastEnd = 16;

  void Vector(const Rows& rows, int y) {
    if (channels_ == 3) {
      HWY_DYNAMIC_DISPATCH(HorizontalRgb4)(rows, axis_, &out_[y * stride_], stride_);
    } else {
      HWY_DYNAMIC_DISPATCH(HorizontalRgba4)(rows, axis_, &out_[y * stride_], stride_);
    }
  }

  // One to four rows from a copy: the vectors always take four, and read past the end of the last.
  void Tail(int count, int y) {
    std::vector<uint8_t> copy(4 * row_bytes_ + kPastEnd, 0);
    for (int r = 0; r < count; ++r) std::memcpy(&copy[r * row_bytes_], in_.row(y + r), row_bytes_);
    Vector({copy.data(), row_bytes_}, y);
  }

  void Scalar(const uint8_t* in, uint8_t* out) const {
    for (size_t x = 0; x < axis_.begin.size(); ++x) {
      for (size_t c = 0; c < channels_; ++c) {
        *out++ = WeightedSum(in + axis_.begin[x] * channels_ + c, channels_, &axis_.weights[x * 2 * axis_.stride],
                             axis_.taps[x]);
      }
    }
  }

  const Rows in_;
  const size_t row_bytes_, channels_;
  size_t stride_;
  const Axis& axis_;
  std::vector<uint8_t> out_;
};

// Pillow's ImagingScaleAffine: the position is summed up step by step, in double.
std::vector<int> NearestPositions(int in_size, const AxisWindow& window) {
  std::vector<int> positions(window.count, -1);
  const double step = static_cast<double>(in_size) / window.out_size;
  double at = step * 0.5;
  for (int i = 0; i < window.first + window.count; ++i, at += step) {
    if (i >= window.first && at < in_size) positions[i - window.first] = static_cast<int>(at);
  }
  return positions;
}

void Nearest(const uint8_t* in, const Bytes2d& shape, const ResampleTarget& target, uint8_t* out) {
  const auto xs = NearestPositions(shape.width, {target.width, target.left, target.window_width});
  const auto ys = NearestPositions(shape.height, {target.height, target.top, target.window_height});
  const size_t channels = shape.channels;
  for (const int y : ys) {
    for (const int x : xs) {
      if (x < 0 || y < 0) {
        std::memset(out, 0, channels);  // rounding carried the position past the edge
      } else {
        std::memcpy(out, in + (static_cast<size_t>(y) * shape.width + x) * channels, channels);
      }
      out += channels;
    }
  }
}

void CopyRows(const Rows& from, size_t row_bytes, int count, uint8_t* out) {
  for (int y = 0; y < count; ++y) std::memcpy(out + y * row_bytes, from.row(y), row_bytes);
}

}  // namespace

void ResampleWindow(const uint8_t* in, const Bytes2d& in_shape, const ResampleTarget& target, Filter filter,
                    uint8_t* out, Resampler resampler) {
  CHECK(in_shape.width >= 1 && in_shape.height >= 1 && in_shape.channels >= 1 && in_shape.channels <= 4)
      << in_shape.width << " x " << in_shape.height << " x " << in_shape.channels;
  CHECK(target.left >= 0 && target.top >= 0 && target.window_width >= 1 && target.window_height >= 1 &&
        target.window_width <= target.width - target.left && target.window_height <= target.height - target.top);
  const bool is_width_changed = target.width != in_shape.width;
  const bool is_height_changed = target.height != in_shape.height;
  if (filter == Filter::kNearest && (is_width_changed || is_height_changed)) return Nearest(in, in_shape, target, out);

  Axis horizontal, vertical;
  if (is_width_changed) {
    horizontal = MakeAxis(in_shape.width, {target.width, target.left, target.window_width}, filter, resampler);
  }
  if (is_height_changed) {
    vertical = MakeAxis(in_shape.height, {target.height, target.top, target.window_height}, filter, resampler);
  }
  const size_t channels = in_shape.channels, in_stride = in_shape.width * channels;
  const size_t row_bytes = target.window_width * channels;
  const Span rows_read = is_height_changed ? TakeSpan(&vertical) : Span{target.top, target.window_height};
  const Span columns_read = is_width_changed ? TakeSpan(&horizontal) : Span{target.left, target.window_width};
  const Rows rows = {in + rows_read.first * in_stride + columns_read.first * channels, in_stride};

  if (!is_width_changed && !is_height_changed) return CopyRows(rows, row_bytes, target.window_height, out);
  if (!is_width_changed) return HWY_DYNAMIC_DISPATCH(VerticalPass)(rows, row_bytes, vertical, out);
  if (is_height_changed && resampler == Resampler::kPillow &&
      IsVerticalFirst(in_shape.width, in_shape.height, target.width, target.height)) {
    const size_t between_stride = columns_read.count * channels;
    std::vector<uint8_t> between(between_stride * target.window_height);
    HWY_DYNAMIC_DISPATCH(VerticalPass)(rows, between_stride, vertical, between.data());
    HorizontalPass pass({between.data(), between_stride}, between_stride, channels, horizontal);
    pass.Run(target.window_height);
    return CopyRows(pass.rows(), row_bytes, target.window_height, out);
  }
  HorizontalPass pass(rows, columns_read.count * channels, channels, horizontal);
  pass.Run(static_cast<int>(rows_read.count));
  if (!is_height_changed) return CopyRows(pass.rows(), row_bytes, target.window_height, out);
  HWY_DYNAMIC_DISPATCH(VerticalPass)(pass.rows(), row_bytes, vertical, out);
}

void Resample(const uint8_t* in, const Bytes2d& in_shape, int out_width, int out_height, Filter filter, uint8_t* out) {
  ResampleWindow(in, in_shape, {out_width, out_height, 0, 0, out_width, out_height}, filter, out);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
