#include "kernels/runtime.h"

#include <cstdlib>
#include <string_view>

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
namespace {

struct IsaCap {
  const char* name;
  dnnl_cpu_isa_t library;
  int64_t disabled;  // targets of our own kernels
};
constexpr int64_t kAvx512 = HWY_AVX3 | HWY_AVX3_DL;
constexpr IsaCap kCaps[] = {{"sse4", dnnl_cpu_isa_sse41, HWY_AVX2 | kAvx512},
                            {"avx2", dnnl_cpu_isa_avx2, kAvx512},
                            {"avx512", dnnl_cpu_isa_avx512_core, 0},
                            {"avx512_vnni", dnnl_cpu_isa_avx512_core_vnni, 0},
                            {"avx512_bf16", dnnl_cpu_isa_avx512_core_bf16, 0}};

// Before anything is computed: both choose their kernels once.
const bool isa_capped = [] {
  const char* asked = std::getenv("DIPTYCH_MAX_ISA");
  for (const IsaCap& cap : kCaps) {
    if (asked == nullptr || cap.name != std::string_view(asked)) continue;
    dnnl_set_max_cpu_isa(cap.library);
    if (cap.disabled != 0) hwy::DisableTargets(cap.disabled);
    return true;
  }
  return false;
}();

}  // namespace

HWY_EXPORT(TargetInUse);

std::string RuntimeDescription() {
  const dnnl_version_t& version = *dnnl_version();
  const std::string target = hwy::TargetName(HWY_DYNAMIC_DISPATCH(TargetInUse)());
  return "oneDNN " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch) + ", " + (target == "AVX3" ? "AVX-512" : target) +
         (isa_capped ? " by DIPTYCH_MAX_ISA" : "");
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
