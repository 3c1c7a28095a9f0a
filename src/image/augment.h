// Random views of a training picture, as torchvision 0.29 and open_clip 3.3 make them from Pillow pictures.
#ifndef DIPTYCH_IMAGE_AUGMENT_H_
#define DIPTYCH_IMAGE_AUGMENT_H_

#include <cstdint>
#include <string>

#include "core/rng.h"
#include "core/status.h"
#include "image/preprocess.h"

namespace diptych {

/// The defaults are open_clip's: a random crop of nearly everything and nothing else.
struct AugmentOptions {
  // RandomResizedCrop: the crop's share of the area, and its width / height.
  double min_scale = 0.9, max_scale = 1.0;
  double min_ratio = 3.0 / 4.0, max_ratio = 4.0 / 3.0;
  double flip = 0;  // probability of a mirror image
  // ColorJitter, applied with probability `jitter`: factors from [1 - x, 1 + x], hue from [-hue, hue].
  double jitter = 0;
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  double greyscale = 0;  // probability
  // RandAugment: this many operations of 14, each with strength `magnitude` of 31 (0 to 30).
  int randaugment_ops = 0;
  int randaugment_magnitude = 9;
};

/// Errors name the field, its value and its range.
Status CheckAugmentOptions(const AugmentOptions& options);

struct CropBox {
  int left, top, width, height;
};

/// RandomResizedCrop.get_params: ten tries, then a centred crop of the nearest allowed ratio.
CropBox DrawCropBox(int width, int height, const AugmentOptions& options, Rng& rng);

enum class RandAugmentOp : uint8_t {
  kIdentity,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kBrightness,
  kColor,
  kContrast,
  kSharpness,
  kPosterize,
  kSolarize,
  kAutoContrast,
  kEqualize,
};
inline constexpr int kRandAugmentOps = 14;

/// What strength `bin` (0 to 30) means to an operation on this picture: RandAugment's _augmentation_space.
double RandAugmentAmount(RandAugmentOp op, int bin, const Image& image);
/// The operation with that amount, in place. REQUIRES: mode kRgb.
void ApplyRandAugmentOp(RandAugmentOp op, double amount, Image& image);

/// Crop, resize to (S, S) in the picture's own mode, RGB; then mirror, RandAugment, colour jitter and greyscale.
/// Exactly (S, S, 3) with S, filter and treatment of alpha from `config`. Which views are drawn depends on `rng` alone.
Image AugmentToRgb8(const Image& image, const PreprocessConfig& config, const AugmentOptions& options, Rng& rng);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_AUGMENT_H_
