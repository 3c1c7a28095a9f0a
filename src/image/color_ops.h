// Colours of an 8-bit RGB picture, as Pillow's ImageEnhance and ImageOps change them, bit for bit.
#ifndef DIPTYCH_IMAGE_COLOR_OPS_H_
#define DIPTYCH_IMAGE_COLOR_OPS_H_

#include "image/decode.h"

namespace diptych {

// All in place. REQUIRES: mode kRgb. A factor is >= 0: 1 changes nothing, 0 gives the degenerate picture.
void AdjustBrightness(Image& image, float factor);  // degenerate: black
void AdjustContrast(Image& image, float factor);    // grey of the picture's mean luminance
void AdjustSaturation(Image& image, float factor);  // its luminance (ImageEnhance.Color)
void AdjustSharpness(Image& image, float factor);   // smoothed by a 3 x 3 kernel, the border as it is

/// torchvision's adjust_hue: the 8-bit hue turns by `turn`, in [-0.5, 0.5] of the circle.
void AdjustHue(Image& image, double turn);
/// to_grayscale(3): every channel becomes the luminance.
void Greyscale(Image& image);
/// Keeps the upper `bits` of each channel, 1 to 8.
void Posterize(Image& image, int bits);
/// Inverts the values that are at least `threshold`.
void Solarize(Image& image, double threshold);
/// Stretches each channel to the full range.
void AutoContrast(Image& image);
/// Makes each channel's distribution uniform.
void Equalize(Image& image);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_COLOR_OPS_H_
