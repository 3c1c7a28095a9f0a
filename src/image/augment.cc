#include "image/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <sstream>

#include "core/check.h"
#include "image/affine.h"
#include "image/color_ops.h"

namespace diptych {
namespace {

constexpr int kBins = 31;

struct Range {
  const char* name;
  double value, low, high;
};

// torch.linspace(first, last, 31)[bin] in fp32: from the nearer end, by a fused multiply-add.
double Linspace(float first, float last, int bin) {
  const float step = (last - first) / static_cast<float>(kBins - 1);
  if (bin < kBins / 2) return std::fma(step, static_cast<float>(bin), first);
  return std::fma(-step, static_cast<float>(kBins - 1 - bin), last);
}

bool HasSign(RandAugmentOp op) {
  return op >= RandAugmentOp::kShearX && op <= RandAugmentOp::kSharpness;
}

void Mirror(Image& image) {
  CHECK(image.mode == PixelMode::kRgb);
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* row = &image.pixels[3 * y * image.width];
    for (int64_t a = 0, b = image.width - 1; a < b; ++a, --b)
      std::swap_ranges(row + 3 * a, row + 3 * a + 3, row + 3 * b);
  }
}

void RandAugment(const AugmentOptions& options, Rng& rng, Image& image) {
  for (int i = 0; i < options.randaugment_ops; ++i) {
    const auto op = static_cast<RandAugmentOp>(rng.Below(kRandAugmentOps));
    double amount = RandAugmentAmount(op, options.randaugment_magnitude, image);
    if (HasSign(op) && rng.Chance(0.5)) amount = -amount;
    ApplyRandAugmentOp(op, amount, image);
  }
}

// ColorJitter: four factors, applied in a random order. Strength 0 leaves an adjustment out.
void JitterColors(const AugmentOptions& options, Rng& rng, Image& image) {
  std::array<int, 4> order = {0, 1, 2, 3};
  Shuffle<int>(order, rng);
  const auto draw = [&](double strength) -> std::optional<float> {
    const double factor = rng.Uniform(std::max(0.0, 1 - strength), 1 + strength);
    return strength == 0 ? std::nullopt : std::optional(static_cast<float>(factor));
  };
  const auto brightness = draw(options.brightness), contrast = draw(options.contrast);
  const auto saturation = draw(options.saturation);
  const double turn = rng.Uniform(-options.hue, options.hue);
  for (const int step : order) {
    if (step == 0 && brightness) AdjustBrightness(image, *brightness);
    if (step == 1 && contrast) AdjustContrast(image, *contrast);
    if (step == 2 && saturation) AdjustSaturation(image, *saturation);
    if (step == 3 && options.hue > 0) AdjustHue(image, turn);
  }
}

}  // namespace

Status CheckAugmentOptions(const AugmentOptions& o) {
  const std::initializer_list<Range> ranges = {
      {"the smallest crop", o.min_scale, 1e-4, 1},
      {"the largest crop", o.max_scale, o.min_scale, 1},
      {"the smallest ratio of a crop", o.min_ratio, 0.01, 100},
      {"the largest ratio of a crop", o.max_ratio, o.min_ratio, 100},
      {"the probability of a mirror image", o.flip, 0, 1},
      {"the probability of colour jitter", o.jitter, 0, 1},
      {"brightness", o.brightness, 0, 100},
      {"contrast", o.contrast, 0, 100},
      {"saturation", o.saturation, 0, 100},
      {"hue", o.hue, 0, 0.5},
      {"the probability of greyscale", o.greyscale, 0, 1},
      {"the number of RandAugment's operations", static_cast<double>(o.randaugment_ops), 0, 100},
      {"RandAugment's magnitude", static_cast<double>(o.randaugment_magnitude), 0, kBins - 1},
  };
  for (const Range& range : ranges) {
    if (range.value >= range.low && range.value <= range.high) continue;
    std::ostringstream what;
    what << range.name << " is " << range.value << ", which is not within " << range.low << " and " << range.high;
    return InvalidArgument("augmentation", what.str());
  }
  return Status::Ok();
}

CropBox DrawCropBox(int width, int height, const AugmentOptions& options, Rng& rng) {
  const double area = static_cast<double>(width) * height;
  const double low = std::log(options.min_ratio), high = std::log(options.max_ratio);
  for (int i = 0; i < 10; ++i) {
    const double target = area * rng.Uniform(options.min_scale, options.max_scale);
    const double ratio = std::exp(rng.Uniform(low, high));
    const double w = std::nearbyint(std::sqrt(target * ratio)), h = std::nearbyint(std::sqrt(target / ratio));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    CropBox box{0, 0, static_cast<int>(w), static_cast<int>(h)};
    box.top = static_cast<int>(rng.Below(static_cast<uint64_t>(height - box.height) + 1));
    box.left = static_cast<int>(rng.Below(static_cast<uint64_t>(width - box.width) + 1));
    return box;
  }
  CropBox box{0, 0, width, height};
  const double ratio = static_cast<double>(width) / height;
  if (ratio < options.min_ratio) box.height = static_cast<int>(std::nearbyint(width / options.min_ratio));
  if (ratio > options.max_ratio) box.width = static_cast<int>(std::nearbyint(height * options.max_ratio));
  // A side of one pixel rounds to none where torchvision would fail.
  box.width = std::clamp(box.width, 1, width);
  box.height = std::clamp(box.height, 1, height);
  box.left = (width - box.width) / 2;
  box.top = (height - box.height) / 2;
  return box;
}

double RandAugmentAmount(RandAugmentOp op, int bin, const Image& image) {
  CHECK(bin >= 0 && bin < kBins) << bin;
  const auto most = [](int side) { return static_cast<float>(150.0 / 331.0 * side); };
  switch (op) {
    case RandAugmentOp::kShearX:
    case RandAugmentOp::kShearY: return Linspace(0, 0.3f, bin);
    case RandAugmentOp::kTranslateX: return Linspace(0, most(image.width), bin);
    case RandAugmentOp::kTranslateY: return Linspace(0, most(image.height), bin);
    case RandAugmentOp::kRotate: return Linspace(0, 30, bin);
    case RandAugmentOp::kBrightness:
    case RandAugmentOp::kColor:
    case RandAugmentOp::kContrast:
    case RandAugmentOp::kSharpness: return Linspace(0, 0.9f, bin);
    case RandAugmentOp::kPosterize: return 8 - std::nearbyint(bin / ((kBins - 1) / 4.0f));
    case RandAugmentOp::kSolarize: return Linspace(255, 0, bin);
    case RandAugmentOp::kIdentity:
    case RandAugmentOp::kAutoContrast:
    case RandAugmentOp::kEqualize: return 0;
  }
  return 0;
}

void ApplyRandAugmentOp(RandAugmentOp op, double amount, Image& image) {
  const float factor = static_cast<float>(1 + amount);
  switch (op) {
    case RandAugmentOp::kIdentity: return;
    case RandAugmentOp::kShearX: image = TransformNearest(image, ShearXMatrix(amount)); return;
    case RandAugmentOp::kShearY: image = TransformNearest(image, ShearYMatrix(amount)); return;
    case RandAugmentOp::kTranslateX:
      image = TransformNearest(image, TranslationMatrix(image, static_cast<int>(amount), 0));
      return;
    case RandAugmentOp::kTranslateY:
      image = TransformNearest(image, TranslationMatrix(image, 0, static_cast<int>(amount)));
      return;
    case RandAugmentOp::kRotate: image = TransformNearest(image, RotationMatrix(image, amount)); return;
    case RandAugmentOp::kBrightness: AdjustBrightness(image, factor); return;
    case RandAugmentOp::kColor: AdjustSaturation(image, factor); return;
    case RandAugmentOp::kContrast: AdjustContrast(image, factor); return;
    case RandAugmentOp::kSharpness: AdjustSharpness(image, factor); return;
    case RandAugmentOp::kPosterize: Posterize(image, static_cast<int>(amount)); return;
    case RandAugmentOp::kSolarize: Solarize(image, amount); return;
    case RandAugmentOp::kAutoContrast: AutoContrast(image); return;
    case RandAugmentOp::kEqualize: Equalize(image); return;
  }
}

Image AugmentToRgb8(const Image& image, const PreprocessConfig& config, const AugmentOptions& options, Rng& rng) {
  const CropBox box = DrawCropBox(image.width, image.height, options, rng);
  const Image crop = Crop(image, box.left, box.top, box.width, box.height);
  Image result = ConvertToRgb(Resize(crop, config.crop, config.crop, config.filter), config.alpha);
  if (rng.Chance(options.flip)) Mirror(result);
  RandAugment(options, rng, result);
  if (rng.Chance(options.jitter)) JitterColors(options, rng, result);
  if (rng.Chance(options.greyscale)) Greyscale(result);
  return result;
}

}  // namespace diptych
