#include "kernels/runtime.h"

#include <algorithm>
#include <chrono>

#include "kernels/gemm.h"
#include "kernels/simd_targets.h"
#include "oneapi/dnnl/dnnl.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/runtime.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

int64_t TargetInUse() {
  return HWY_TARGET;
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(TargetInUse);

std::string RuntimeDescription() {
  const dnnl_version_t& version = *dnnl_version();
  const std::string target = hwy::TargetName(HWY_DYNAMIC_DISPATCH(TargetInUse)());
  return "oneDNN " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch) + ", " + (target == "AVX3" ? "AVX-512" : target);
}

double MatmulPeakGflops(Context& context, Precision precision) {
  constexpr int64_t kSide = 2048;
  constexpr double kSeconds = 2.0;
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  Tensor x(DType::kF32, {kSide, kSide}), y(DType::kF32, {kSide, kSide});
  const PackedWeight w = PackLinear(x, WeightOrder::kOutIn, precision);
  double best = 0.0;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point run = Clock::now();
    Linear(context, x.data<float>(), kSide, w, {}, y.mutable_data<float>());
    best = std::max(best, 2e-9 * kSide * kSide * kSide / seconds_since(run));
  } while (seconds_since(start) < kSeconds);
  return best;
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
