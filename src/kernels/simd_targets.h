// Which instruction sets our own kernels are compiled for; included before hwy/foreach_target.h, everywhere.
// x86: SSE4, AVX2 with FMA and F16C, AVX-512 (and Highway's fallback for older ones); Arm: NEON. The targets left out
// differ from these in nothing that a fp32 kernel would notice, and each one costs compile time.
#ifndef DIPTYCH_KERNELS_SIMD_TARGETS_H_
#define DIPTYCH_KERNELS_SIMD_TARGETS_H_

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)

#endif  // DIPTYCH_KERNELS_SIMD_TARGETS_H_
