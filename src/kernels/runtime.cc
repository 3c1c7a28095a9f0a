#include "kernels/runtime.h"

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

}  // namespace diptych::kernels
#endif  // HWY_ONCE
