// What a picture looks like in 64 bits, and how sharp it is: cheap numbers that tell copies from originals.
#ifndef DIPTYCH_IMAGE_FINGERPRINT_H_
#define DIPTYCH_IMAGE_FINGERPRINT_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "image/decode.h"

namespace diptych {

/// The perceptual hash of four times as many bits: what agrees by chance in the small one does not in this.
using DetailHash = std::array<uint64_t, 4>;

struct PictureFingerprint {
  /// The perceptual hash of Zauner (2010): signs of the lowest 8 x 8 frequencies of the 32 x 32 grey picture against
  /// their median. Copies at another size, quality or brightness differ in few bits, other pictures in about 32.
  /// 0 for a picture too flat to have one: its bits would be noise.
  uint64_t phash = 0;
  /// The same of the lowest 16 x 16 frequencies.
  DetailHash detail = {};
  /// Variance of the Laplacian of the grey values (Pech-Pacheco et al., 2000); more is sharper.
  double sharpness = 0;
};

/// Reads some 50,000 pixels of the picture at most, whatever its size: a few per cent of what the tower costs.
PictureFingerprint Fingerprint(const Image& image);

inline int HashDistance(uint64_t a, uint64_t b) {
  return std::popcount(a ^ b);
}
inline int HashDistance(const DetailHash& a, const DetailHash& b) {
  int distance = 0;
  for (size_t i = 0; i < a.size(); ++i) distance += std::popcount(a[i] ^ b[i]);
  return distance;
}

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_FINGERPRINT_H_
