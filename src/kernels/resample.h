// Pillow 13's 8-bit resampling (src/libImaging/Resample.c), bit for bit: two passes with fixed-point weights.
#ifndef DIPTYCH_KERNELS_RESAMPLE_H_
#define DIPTYCH_KERNELS_RESAMPLE_H_

#include <cstdint>

namespace diptych::kernels {

enum class Filter : uint8_t { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };

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
/// the second one reads. REQUIRES: sizes >= 1; out does not overlap in.
void ResampleWindow(const uint8_t* in, const Bytes2d& in_shape, const ResampleTarget& target, Filter filter,
                    uint8_t* out);

/// The whole picture: out (out_height, out_width, channels).
void Resample(const uint8_t* in, const Bytes2d& in_shape, int out_width, int out_height, Filter filter, uint8_t* out);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_RESAMPLE_H_
