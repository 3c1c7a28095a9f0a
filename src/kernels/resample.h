// 8-bit resampling bit for bit as Pillow 13 (src/libImaging/Resample.c) or PyTorch (aten/src/ATen/native/cpu/
// UpSampleKernel.cpp, antialiased) do it: two passes with fixed-point weights.
#ifndef DIPTYCH_KERNELS_RESAMPLE_H_
#define DIPTYCH_KERNELS_RESAMPLE_H_

#include <cstdint>

namespace diptych::kernels {

enum class Filter : uint8_t { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };

/// Whose arithmetic. PyTorch's weights have 16 bits instead of 22, its passes always the same order, and its cubic is
/// another expression of the same polynomial.
enum class Resampler : uint8_t { kPillow, kTorch };

/// An interleaved 8-bit picture.
struct Bytes2d {
  int width, height, channels;  // 1 to 4 channels
};

/// The size that a picture is resized to, and the window of it that is wanted: nothing else is computed.
struct ResampleTarget {
  int width, height;
  int left, top, window_width, window_height;  // within (0, 0, width, height)
};

/// in (height, width, channels) -> out (window_height, window_width, channels). A pass whose size does not change is
/// skipped. The first pass (horizontal but for the shapes of IsVerticalFirst) is rounded to 8 bits and covers only what
/// the second one reads. REQUIRES: sizes >= 1; out does not overlap in; kTorch: kBilinear or kBicubic.
void ResampleWindow(const uint8_t* in, const Bytes2d& in_shape, const ResampleTarget& target, Filter filter,
                    uint8_t* out, Resampler resampler = Resampler::kPillow);

/// The whole picture: out (out_height, out_width, channels).
void Resample(const uint8_t* in, const Bytes2d& in_shape, int out_width, int out_height, Filter filter, uint8_t* out);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_RESAMPLE_H_
