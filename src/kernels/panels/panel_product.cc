#include "kernels/panels/panel_product.h"

#include <algorithm>

#include "core/half.h"
#include "kernels/products/packed_weight_impl.h"
#include "kernels/products/tile_gemm.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/panels/panel_product.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/brain_inl.h"
#include "kernels/panels/panel_cursor.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

using Floats = hn::CappedTag<float, 16>;
using V = hn::Vec<Floats>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Floats()));
constexpr int kVectors = kLanes >= 16 ? 2 : 1;  // of outputs, at a time
constexpr int kRows = 6;

// Rows of x by kVectors vectors of outputs, all K. `w`: the first pair of inputs of the tile; a tile pair is kPanel
// outputs and kPanel inputs.
template <int kCount>
HWY_INLINE void MultiplyRows(const PanelProduct& product, int64_t row, const uint16_t* w, const float* bias,
                             float* sums) {
  const Floats d;
  V acc[kCount][kVectors];
  for (int i = 0; i < kCount; ++i) {
    for (int v = 0; v < kVectors; ++v) acc[i][v] = hn::LoadU(d, bias + v * kLanes);
  }
  const int64_t steps = PanelsOf(product.w->k);
  for (int64_t step = 0; step < steps; ++step, w += 2 * 16 * kPanel) {
    const uint16_t* x = product.x.panel(step) + row * kPanel;
    for (int64_t pair = 0; pair < kPanel / 2; ++pair) {
      V even[kVectors], odd[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        const uint16_t* at = w + v * 16 * kPanel + pair * kPanel;
        const auto pairs = LoadPairs(hn::RebindToUnsigned<Floats>(), at);
        even[v] = FirstOfPairs(d, pairs);
        odd[v] = SecondOfPairs(d, pairs);
      }
      for (int i = 0; i < kCount; ++i) {
        const V first = hn::Set(d, BFloat16ToFloat(x[i * kPanel + 2 * pair]));
        const V second = hn::Set(d, BFloat16ToFloat(x[i * kPanel + 2 * pair + 1]));
        for (int v = 0; v < kVectors; ++v) {
          acc[i][v] = hn::MulAdd(first, even[v], acc[i][v]);
          acc[i][v] = hn::MulAdd(second, odd[v], acc[i][v]);
        }
      }
    }
  }
  for (int i = 0; i < kCount; ++i) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[i][v], d, sums + i * kPanel + v * kLanes);
  }
}

// kPanel values.
void FinishPanelRow(const float* sums, const uint16_t* residual, bool clamp, uint16_t* y) {
  const Floats d;
  for (int64_t i = 0; i < kPanel; i += kLanes) {
    V value = hn::LoadU(d, sums + i);
    if (residual != nullptr) value = hn::Add(value, LoadBrains(d, residual + i));
    if (clamp) value = hn::Min(hn::Max(value, hn::Zero(d)), hn::Set(d, 6.0f));
    StoreBrains(d, value, y + i);
  }
}

void MultiplyPanelsNow(const PanelProduct& product) {
  HWY_ALIGN float sums[kRows * kPanel];
  for (int64_t panel = product.begin; panel < product.end; ++panel) {
    uint16_t* y = product.y.panel(panel - product.begin);
    const uint16_t* residual =
        product.residual.data == nullptr ? nullptr : product.residual.panel(panel - product.begin);
    PanelCursor cursor(product.frame);
    for (int64_t row = 0; row < product.m; row += kRows) {
      const int count = static_cast<int>(std::min<int64_t>(kRows, product.m - row));
      for (int64_t column = 0; column < kPanel; column += kVectors * kLanes) {
        const uint16_t* w = product.w->panel(panel) + column / 16 * 16 * kPanel + column % 16 * 2;
        const float* bias = product.w->bias.data() + panel * kPanel + column;
        if (count == kRows) {
          MultiplyRows<kRows>(product, row, w, bias, sums + column);
        } else {
          for (int i = 0; i < count; ++i) MultiplyRows<1>(product, row + i, w, bias, sums + column + i * kPanel);
        }
      }
      for (int i = 0; i < count; ++i) {
        FinishPanelRow(sums + i * kPanel, residual == nullptr ? nullptr : residual + (row + i) * kPanel,
                       product.w->clamp, y + cursor.Next() * kPanel);
      }
    }
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(MultiplyPanelsNow);

const uint16_t* PanelWeight::panel(int64_t i) const {
  return reinterpret_cast<const uint16_t*>(tiles.data<uint8_t>()) + i * PanelsOf(k) * kPanel * kPanel;
}

PanelWeight PackPanelWeight(TensorView w, const float* scale, const float* bias, bool clamp) {
  CHECK_EQ(w.shape().rank(), 4);
  const int64_t n = w.shape()[0], channels = w.shape()[1], taps = w.shape()[2] * w.shape()[3], k = channels * taps;
  Tensor copy;
  const float* floats = AsFloats(w, copy);
  PanelWeight weight{.n = n, .k = k, .clamp = clamp};
  const int64_t outputs = PanelsOf(n), steps = PanelsOf(k);
  weight.bias.assign(static_cast<size_t>(outputs * kPanel), 0.0f);
  std::copy_n(bias, n, weight.bias.begin());
  weight.tiles = Tensor(DType::kU8, Shape{outputs * steps * kPanel * kPanel * 2});  // zeros
  uint16_t* tiles = reinterpret_cast<uint16_t*>(weight.tiles.mutable_data<uint8_t>());
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t column = 0; column < k; ++column) {
      const float value = floats[row * k + column % channels * taps + column / channels] * scale[row];
      const int64_t tile = (row / kPanel * steps + column / kPanel) * 2 + row % kPanel / 16;
      tiles[tile * 16 * kPanel + column % kPanel / 2 * kPanel + row % 16 * 2 + column % 2] = FloatToBFloat16(value);
    }
  }
  return weight;
}

void MultiplyPanelsOnVectors(const PanelProduct& product) {
  HWY_DYNAMIC_DISPATCH(MultiplyPanelsNow)(product);
}

// With AVX512-BF16 alone the starter took as long as by the library's products, and longer than in fp32.
bool HasFastPanels() {
  return HasTiles();
}

void MultiplyPanels(const PanelProduct& product) {
  HasTiles() ? MultiplyPanelsOnTiles(product) : MultiplyPanelsOnVectors(product);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
