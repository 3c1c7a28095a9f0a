#include "kernels/panels/panel_filter.h"

#include <algorithm>

#include "kernels/products/packed_weight_impl.h"
#include "kernels/simd_targets.h"

// A vector of 32-bit words of a map holds two channels each: shifted left by 16 the even ones are floats, with their
// lower halves cleared the odd ones, so that a pixel costs two instructions a vector pair and no shuffle. A block of
// outputs side by side shares the pixels and the taps of a row; its sums stay in registers: 7 with AVX-512, which
// divides every width of an EfficientNet (112, 56, 28, 14, 7).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/panels/panel_filter.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/brain_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, 16>;
using Words = hn::RebindToUnsigned<Floats>;
using V = hn::Vec<Floats>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Floats()));
constexpr int kGroup = 2 * kLanes;  // channels at a time
constexpr int kOutputs = HWY_TARGET <= HWY_AVX3 ? 7 : 4;

int64_t FilterGroup() {
  return kGroup;
}

// kCount outputs side by side; `taps`: those of the group, kPanel values between one and the next.
template <int kKernel, int kStride, int kCount>
HWY_INLINE void FilterBlock(const uint16_t* HWY_RESTRICT x, int64_t x_row, const float* HWY_RESTRICT taps,
                            const float* HWY_RESTRICT bias, uint16_t* HWY_RESTRICT y) {
  const Floats d;
  const Words du;
  V even[kCount], odd[kCount];
  for (int i = 0; i < kCount; ++i) {
    even[i] = hn::LoadU(d, bias);
    odd[i] = hn::LoadU(d, bias + kLanes);
  }
  for (int row = 0; row < kKernel; ++row, x += x_row, taps += kKernel * kPanel) {
    V even_taps[kKernel], odd_taps[kKernel];
    for (int i = 0; i < kKernel; ++i) {
      even_taps[i] = hn::LoadU(d, taps + i * kPanel);
      odd_taps[i] = hn::LoadU(d, taps + i * kPanel + kLanes);
    }
#pragma GCC unroll 32
    for (int column = 0; column < (kCount - 1) * kStride + kKernel; ++column) {
      const auto pairs = LoadPairs(du, x + column * kPanel);
      const V first = FirstOfPairs(d, pairs), second = SecondOfPairs(d, pairs);
#pragma GCC unroll 8
      for (int i = 0; i < kCount; ++i) {
        const int tap = column - i * kStride;
        if (tap < 0 || tap >= kKernel) continue;
        even[i] = hn::MulAdd(first, even_taps[tap], even[i]);
        odd[i] = hn::MulAdd(second, odd_taps[tap], odd[i]);
      }
    }
  }
  const V six = hn::Set(d, 6.0f), zero = hn::Zero(d);
  const auto half = hn::Set(du, 0x8000u), upper = hn::Set(du, 0xffff0000u);
  for (int i = 0; i < kCount; ++i) {
    const auto low = hn::Add(hn::BitCast(du, hn::Min(hn::Max(even[i], zero), six)), half);
    const auto high = hn::Add(hn::BitCast(du, hn::Min(hn::Max(odd[i], zero), six)), half);
    const auto both = hn::OrAnd(hn::ShiftRight<16>(low), high, upper);
    StorePairs(du, both, y + i * kPanel);
  }
}

template <int kKernel, int kStride, int kCount = kOutputs>
HWY_INLINE void FilterSome(int64_t count, const uint16_t* x, int64_t x_row, const float* taps, const float* bias,
                           uint16_t* y) {
  if constexpr (kCount > 1) {
    if (count < kCount) return FilterSome<kKernel, kStride, kCount - 1>(count, x, x_row, taps, bias, y);
  }
  FilterBlock<kKernel, kStride, kCount>(x, x_row, taps, bias, y);
}

template <int kKernel, int kStride>
void FilterRows(const PanelFilterJob& job, const float* taps, const float* bias) {
  for (int64_t group = 0; group < kPanel; group += kGroup) {
    for (int64_t row = 0; row < job.rows; ++row) {
      const uint16_t* x = job.x + row * kStride * job.x_row + group;
      uint16_t* y = job.y + row * job.width * kPanel + group;
      int64_t column = 0;
      for (; column + kOutputs <= job.width; column += kOutputs) {
        FilterBlock<kKernel, kStride, kOutputs>(x + column * kStride * kPanel, job.x_row, taps + group, bias + group,
                                                y + column * kPanel);
      }
      if (column == job.width) continue;
      FilterSome<kKernel, kStride>(job.width - column, x + column * kStride * kPanel, job.x_row, taps + group,
                                   bias + group, y + column * kPanel);
    }
  }
}

void FilterPanelNow(const PanelFilter& filter, int64_t panel, const PanelFilterJob& job) {
  const float* taps = filter.taps.data() + panel * filter.kernel * filter.kernel * kPanel;
  const float* bias = filter.bias.data() + panel * kPanel;
  if (filter.kernel == 3) {
    filter.stride == 1 ? FilterRows<3, 1>(job, taps, bias) : FilterRows<3, 2>(job, taps, bias);
  } else {
    filter.stride == 1 ? FilterRows<5, 1>(job, taps, bias) : FilterRows<5, 2>(job, taps, bias);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(FilterGroup);
HWY_EXPORT(FilterPanelNow);

bool IsPanelFilter(int kernel, int stride) {
  return (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2);
}

PanelFilter PackPanelFilter(TensorView w, int stride, const float* scale, const float* bias) {
  CHECK(w.shape().rank() == 4 && w.shape()[1] == 1) << " a filter of shape " << w.shape();
  const int64_t channels = w.shape()[0], size = w.shape()[2] * w.shape()[3], padded = PanelsOf(channels) * kPanel;
  const int kernel = static_cast<int>(w.shape()[2]);
  CHECK(IsPanelFilter(kernel, stride)) << " kernel " << kernel << ", stride " << stride;
  Tensor copy;
  const float* floats = AsFloats(w, copy);
  const int64_t group = HWY_DYNAMIC_DISPATCH(FilterGroup)(), lanes = group / 2;
  PanelFilter filter{.channels = channels, .kernel = kernel, .stride = stride};
  filter.taps.assign(static_cast<size_t>(size * padded), 0.0f);
  filter.bias.assign(static_cast<size_t>(padded), 0.0f);
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t in_group = c % group, at = c % kPanel - in_group + in_group / 2 + in_group % 2 * lanes;
    float* taps = filter.taps.data() + c / kPanel * size * kPanel + at;
    for (int64_t i = 0; i < size; ++i) taps[i * kPanel] = floats[c * size + i] * scale[c];
    filter.bias[static_cast<size_t>(c / kPanel * kPanel + at)] = bias[c];
  }
  return filter;
}

void FilterPanel(const PanelFilter& filter, int64_t panel, const PanelFilterJob& job) {
  HWY_DYNAMIC_DISPATCH(FilterPanelNow)(filter, panel, job);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
