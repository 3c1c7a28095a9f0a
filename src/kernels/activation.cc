#include "kernels/activation.h"

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

template <class Op>
void Map(Op op, float* HWY_RESTRICT x, int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(op(d, hn::LoadU(d, x + i)), d, x + i);
  for (; i < n; ++i) hn::StoreU(op(one, hn::LoadU(one, x + i)), one, x + i);
}

void ActivateRange(Activation activation, float* x, int64_t n) {
  switch (activation) {
    case Activation::kNone: return;
    case Activation::kRelu: return Map(Relu(), x, n);
    case Activation::kRelu6: return Map(Relu6(), x, n);
    case Activation::kQuickGelu: return Map(QuickGelu(), x, n);
    case Activation::kGelu: return Map(Gelu(), x, n);
    case Activation::kGeluTanh: return Map(GeluTanh(), x, n);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(ActivateRange);

void Activate(Context& context, Activation activation, float* x, int64_t n) {
  if (activation == Activation::kNone) return;
  constexpr int64_t kGrain = 16384;  // 64 KB: some ten microseconds of work a piece
  ParallelFor(context, n, kGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(ActivateRange)(activation, x + begin, end - begin);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
