// Whole-array conversions to and from fp32.
#ifndef DIPTYCH_KERNELS_CONVERT_H_
#define DIPTYCH_KERNELS_CONVERT_H_

#include "core/tensor.h"

namespace diptych::kernels {

/// y (as many elements as x) in fp32. x: fp32, fp16, bf16 or fp64; it may be misaligned for its type.
void ToFloat(TensorView x, float* y);

/// x in fp16 or bf16, rounded to nearest even; y holds n elements.
void FromFloat(const float* x, int64_t n, DType dtype, void* y);

/// y = x rounded to bf16, nearest even, as fp32. y may be x.
void RoundToBF16(const float* x, int64_t n, float* y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_CONVERT_H_
