// Pillow's 8-bit resampling (Pillow, src/libImaging/Resample.c), bit for bit: two passes with fixed-point weights.
#ifndef DIPTYCH_KERNELS_RESAMPLE_H_
#define DIPTYCH_KERNELS_RESAMPLE_H_

#include <cstdint>

namespace diptych::kernels {

enum class Filter : uint8_t { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };

/// An interleaved 8-bit picture.
struct Bytes2d {
  int width, height, channels;  // 1 to 4 channels
};

/// in (height, width, channels) -> out (out_height, out_width, channels). Same size: a copy. The horizontal pass comes
/// first, is rounded to 8 bits, and covers only the rows that the vertical pass reads. REQUIRES: sizes >= 1.
void Resample(const uint8_t* in, const Bytes2d& in_shape, int out_width, int out_height, Filter filter, uint8_t* out);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_RESAMPLE_H_
