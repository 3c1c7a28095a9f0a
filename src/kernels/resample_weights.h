// The weights of resampling along one axis: Pillow's (src/libImaging/Resample.c, precompute_coeffs) and PyTorch's
// (aten/src/ATen/native/cpu/UpSampleKernel.cpp, _compute_index_ranges_int16_weights).
#ifndef DIPTYCH_KERNELS_RESAMPLE_WEIGHTS_H_
#define DIPTYCH_KERNELS_RESAMPLE_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "kernels/resample.h"

namespace diptych::kernels {

/// Which outputs of an axis are wanted: [first, first + count) of `out_size`.
struct AxisWindow {
  int out_size, first, count;
};

/// Output i is the sum over t < taps[i] of weights[i * stride + t] * input[begin[i] + t]; the weights sum to one.
struct AxisWeights {
  int stride = 0;  // the largest number of taps, and some zeros
  std::vector<int> begin, taps;
  std::vector<double> weights;
};

/// REQUIRES: filter is not kNearest, sizes >= 1.
AxisWeights ComputeAxisWeights(int in_size, const AxisWindow& window, Filter filter,
                               Resampler resampler = Resampler::kPillow);

/// Since Pillow 13 the vertical pass comes first where the height shrinks by more pixels than twice the width does.
/// Each pass rounds, so that the order shows in the result.
inline bool IsVerticalFirst(int in_width, int in_height, int out_width, int out_height) {
  return in_height > out_height && in_height - out_height > (int64_t{in_width} - out_width) * 2;
}

/// Pillow's 22-bit fixed-point weight.
constexpr int kWeightBits = 32 - 8 - 2;
inline int32_t FixedPointWeight(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));
}

/// PyTorch's weights have as many bits as let the largest of a whole axis fit 16: how many.
int TorchWeightBits(int in_size, int out_size, Filter filter);
/// One of them, with zeros appended to make 22 bits: sums round as they do with fewer.
inline int32_t TorchWeight(double weight, int bits) {
  const int32_t level = static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << bits));
  return level * (1 << (kWeightBits - bits));
}

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_RESAMPLE_WEIGHTS_H_
