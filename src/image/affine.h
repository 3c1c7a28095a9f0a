// Image.transform(AFFINE) with the nearest pixel, as Pillow and torchvision do it, and the matrices of RandAugment.
#ifndef DIPTYCH_IMAGE_AFFINE_H_
#define DIPTYCH_IMAGE_AFFINE_H_

#include <array>

#include "image/decode.h"

namespace diptych {

/// From a place of the result to one of the source: (a x + b y + c, d x + e y + f).
using AffineMatrix = std::array<double, 6>;

/// The picture transformed at its size; what comes from outside is black. REQUIRES: mode kRgb.
Image TransformNearest(const Image& image, const AffineMatrix& matrix);

// As RandAugment of torchvision 0.29 calls affine() and rotate().
AffineMatrix ShearXMatrix(double amount);
AffineMatrix ShearYMatrix(double amount);
AffineMatrix TranslationMatrix(const Image& image, int x, int y);
/// Counter-clockwise, around the centre.
AffineMatrix RotationMatrix(const Image& image, double degrees);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_AFFINE_H_
