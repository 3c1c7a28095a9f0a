#include "image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"

namespace diptych {
namespace {

using kernels::ResampleTarget;

struct Size {
  int width, height;
};

// A picture of extreme shape has an extreme size in between, of which only the window is computed.
int ClampSide(int64_t side) {
  return static_cast<int>(std::clamp<int64_t>(side, 1, int64_t{1} << 30));
}

Size ResizedSize(const Image& image, const PreprocessConfig& config) {
  const int64_t width = image.width, height = image.height, size = config.size;
  switch (config.mode) {
    case ResizeMode::kSquash: return {config.size, config.size};
    case ResizeMode::kShortest:
      if (width <= height) return {config.size, ClampSide(size * height / width)};
      return {ClampSide(size * width / height), config.size};
    case ResizeMode::kLongest: {
      // open_clip's ResizeKeepRatio: Python's round is half to even, as nearbyint.
      const double ratio = std::max(static_cast<double>(height) / size, static_cast<double>(width) / size);
      return {ClampSide(static_cast<int64_t>(std::nearbyint(width / ratio))),
              ClampSide(static_cast<int64_t>(std::nearbyint(height / ratio)))};
    }
  }
  return {};
}

// Where the crop begins; negative where the picture is smaller and gets bars.
int CropOffset(int size, int crop, PixelReference reference) {
  const int difference = size - crop;
  const int down = difference >= 0 ? difference / 2 : -((1 - difference) / 2);
  if (reference == PixelReference::kHuggingFace) return down;
  if (difference < 0) return -(-difference / 2);
  if (reference == PixelReference::kTransformers5) return down;
  return down + (difference % 2 != 0 && down % 2 != 0);  // half to even
}

// A canvas of the picture's mode, every sample `fill`, with the picture at (left, top). REQUIRES: it fits.
Image OnCanvas(const Image& image, const ResampleTarget& canvas, uint8_t fill) {
  Image result = Crop(image, -canvas.left, -canvas.top, canvas.width, canvas.height);
  if (fill == 0) return result;
  if (image.mode == PixelMode::k1) fill = 255;
  const int channels = ChannelsOf(image.mode);
  const int sample_bytes = image.mode == PixelMode::kI16 || image.mode == PixelMode::kI ? channels : 1;
  uint8_t* out = result.pixels.data();
  for (int y = 0; y < canvas.height; ++y) {
    for (int x = 0; x < canvas.width; ++x, out += channels) {
      const bool is_inside = x >= canvas.left && x < canvas.left + image.width &&  //
                             y >= canvas.top && y < canvas.top + image.height;
      for (int c = 0; c < channels && !is_inside; c += sample_bytes) out[c] = fill;
    }
  }
  return result;
}

Image ResizeAndCrop(const Image& image, const PreprocessConfig& config) {
  const Size size = ResizedSize(image, config);
  const int left = CropOffset(size.width, config.crop, config.reference);
  const int top = CropOffset(size.height, config.crop, config.reference);
  ResampleTarget target{size.width, size.height, std::max(left, 0), std::max(top, 0)};
  target.window_width = std::min(left + config.crop, size.width) - target.left;
  target.window_height = std::min(top + config.crop, size.height) - target.top;
  const bool torch = config.reference == PixelReference::kTransformers5;
  Image window =
      ResizeWindow(image, target, config.filter, torch ? kernels::Resampler::kTorch : kernels::Resampler::kPillow);
  if (window.width == config.crop && window.height == config.crop) return window;
  const uint8_t fill = config.mode == ResizeMode::kLongest ? config.fill_color : 0;
  return OnCanvas(window, {config.crop, config.crop, std::max(-left, 0), std::max(-top, 0)}, fill);
}

// The 256 values of a channel, in the reference's order of operations.
void FillTable(const PreprocessConfig& config, int channel, float* table) {
  for (int i = 0; i < 256; ++i) {
    if (config.reference == PixelReference::kTransformers5) {  // the 255 is part of mean and deviation
      table[i] = (static_cast<float>(i) - config.mean[channel] * 255.0f) / (config.std[channel] * 255.0f);
      continue;
    }
    const float scaled = config.reference == PixelReference::kHuggingFace ? static_cast<float>(i * (1.0 / 255.0))
                                                                          : static_cast<float>(i) / 255.0f;
    table[i] = (scaled - config.mean[channel]) / config.std[channel];
  }
}

}  // namespace

Image PreprocessToRgb8(const Image& image, const PreprocessConfig& config) {
  CHECK(image.width >= 1 && image.height >= 1) << image.width << " x " << image.height;
  CHECK(config.size >= 1 && config.crop >= 1) << config.size << ", " << config.crop;
  if (config.reference == PixelReference::kTorchvision) {
    return ConvertToRgb(ResizeAndCrop(image, config), config.alpha);
  }
  if (image.mode == PixelMode::kRgb && !image.transparent_color) return ResizeAndCrop(image, config);
  return ResizeAndCrop(ConvertToRgb(image, config.alpha), config);
}

void Normalize(const Image& rgb, const PreprocessConfig& config, float* pixels) {
  CHECK(rgb.mode == PixelMode::kRgb);
  CHECK(rgb.width == config.crop && rgb.height == config.crop) << rgb.width << " x " << rgb.height;
  const size_t plane = static_cast<size_t>(config.crop) * config.crop;
  float tables[3][256];
  for (int c = 0; c < 3; ++c) FillTable(config, c, tables[c]);
  const uint8_t* in = rgb.pixels.data();
  for (size_t i = 0; i < plane; ++i, in += 3) {
    pixels[i] = tables[0][in[0]];
    pixels[plane + i] = tables[1][in[1]];
    pixels[2 * plane + i] = tables[2][in[2]];
  }
}

void Preprocess(const Image& image, const PreprocessConfig& config, float* pixels) {
  Normalize(PreprocessToRgb8(image, config), config, pixels);
}

}  // namespace diptych
