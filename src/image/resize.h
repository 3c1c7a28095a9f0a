// Pillow's Image.resize, crop and convert("RGB"), mode by mode.
#ifndef DIPTYCH_IMAGE_RESIZE_H_
#define DIPTYCH_IMAGE_RESIZE_H_

#include "image/decode.h"
#include "kernels/resample.h"

namespace diptych {

/// Image.resize((width, height), filter). Alpha is premultiplied around it; modes P and 1 always use nearest, as in
/// Pillow. REQUIRES: sizes >= 1.
Image Resize(const Image& image, int width, int height, kernels::Filter filter);

/// A window of the resized picture; what lies outside it is not computed.
/// kTorch: of a picture in mode RGB.
Image ResizeWindow(const Image& image, const kernels::ResampleTarget& target, kernels::Filter filter,
                   kernels::Resampler resampler = kernels::Resampler::kPillow);

/// The window [left, left + width) x [top, top + height). What lies outside the picture is zero.
Image Crop(const Image& image, int left, int top, int width, int height);

/// What an alpha channel or a transparent palette index becomes.
enum class AlphaPolicy : uint8_t {
  kDrop,   // Pillow's convert("RGB") and open_clip: hidden colours appear
  kWhite,  // composited on white, transformers 5
};

/// Image.convert("RGB"): palette looked up, grey replicated, CMYK by Pillow's formula, 16-bit clipped at 255.
Image ConvertToRgb(const Image& image, AlphaPolicy alpha = AlphaPolicy::kDrop);

/// Rotated and mirrored so that EXIF orientation 1 describes it (ImageOps.exif_transpose).
Image ApplyExifOrientation(const Image& image);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_RESIZE_H_
