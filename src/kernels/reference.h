// Naive twins of the kernels, for tests: plain loops with sums in double precision, no library.
#ifndef DIPTYCH_KERNELS_REFERENCE_H_
#define DIPTYCH_KERNELS_REFERENCE_H_

#include "kernels/attention/attention.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/conv_training.h"
#include "kernels/norms/batch_norm.h"
#include "kernels/norms/norm.h"
#include "kernels/pool.h"
#include "kernels/products/gemm.h"
#include "kernels/products/matmul.h"

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

/// kBF16: A and B rounded first.
void MatMul(const MatMulArgs& args, Precision precision = Precision::kF32);
void AddColumnSums(const float* x, int64_t m, int64_t n, float* sums);

/// The gradients are derived by hand from the formulas of the forward twins; the tests differentiate these numerically.
double ActivateDerivative(Activation activation, double x);
/// The statistics are computed again from x.
void LayerNormBackward(const LayerNormBackwardArgs& args, float* dx, const LayerNormGradients& gradients);
/// Of y = x / max(|x|, 1e-12).
void L2Normalize(const float* x, int64_t m, int64_t d, float* y, float* lengths);
void L2NormalizeBackward(const float* x, const float* dy, int64_t m, int64_t d, float* dx);
/// Writes all of the rows' columns [0, NH*HD).
void AttentionBackward(const AttentionInput& input, const AttentionShape& shape, const float* dy,
                       const AttentionGradients& gradients);

/// Writes the gradients of x and of w.
void ConvBackward(const ConvShape& shape, const float* x, const float* w, const float* dy, float* dx, float* dw);
/// k x k windows with stride k.
void AveragePoolBackward(const float* dy, const MapShape& shape, int k, float* dx);
/// Statistics, and y = act(norm(x) + residual).
void BatchNorm(const BatchNormArgs& args, const float* residual, float* y);
/// The statistics are computed again from x, the activation's argument from them; dgamma and dbeta are added to.
void BatchNormBackward(const BatchNormArgs& args, const float* residual, const float* dy, float* dx,
                       const BatchNormGradients& gradients);

}  // namespace diptych::kernels::reference

#endif  // DIPTYCH_KERNELS_REFERENCE_H_
