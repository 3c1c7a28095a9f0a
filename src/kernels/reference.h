// Naive twins of the kernels, for tests: plain loops with sums in double precision, no library.
#ifndef DIPTYCH_KERNELS_REFERENCE_H_
#define DIPTYCH_KERNELS_REFERENCE_H_

#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"

namespace diptych::kernels::reference {

double Activate(Activation activation, double x);

void LayerNorm(const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y);

void Softmax(float* x, int64_t m, int64_t n);

/// w (N, K) or (K, N) in fp32, as WeightOrder says.
void Linear(const float* x, int64_t m, TensorView w, WeightOrder order, const Epilogue& epilogue, float* y);

/// w (OC, C/groups, KH, KW) in fp32; x is a (B, H, W, C) map.
struct Map {
  int64_t b;
  int h, w;
};
void Conv(const float* x, const Map& map, TensorView w, const ConvGeometry& geometry, const Epilogue& epilogue,
          float* y);

void Attention(const AttentionInput& input, const AttentionShape& shape, float* y);

}  // namespace diptych::kernels::reference

#endif  // DIPTYCH_KERNELS_REFERENCE_H_
