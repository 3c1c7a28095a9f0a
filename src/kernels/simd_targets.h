// Which instruction sets our own kernels are compiled for; included before hwy/foreach_target.h, everywhere.
// x86: SSE4, AVX2 with FMA and F16C, AVX-512 (and Highway's fallback for older ones); Arm: NEON. Of the targets left
// out, SSSE3 and AVX3_DL differ from these in nothing that a fp32 kernel would notice, and each one costs compile time;
// SVE's vectors have no size at compile time, so that they cannot be the elements of a register block.
#ifndef DIPTYCH_KERNELS_SIMD_TARGETS_H_
#define DIPTYCH_KERNELS_SIMD_TARGETS_H_

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE_256 | HWY_SVE2 | HWY_SVE2_128)

#endif  // DIPTYCH_KERNELS_SIMD_TARGETS_H_
