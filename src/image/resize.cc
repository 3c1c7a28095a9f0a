#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "kernels/resample_weights.h"

namespace diptych {
namespace {

using kernels::AxisWeights;
using kernels::Filter;
using kernels::ResampleTarget;

// Everything of a picture but its pixels.
Image Like(const Image& image, int width, int height) {
  Image result;
  result.mode = image.mode;
  result.width = width;
  result.height = height;
  result.palette = image.palette;
  result.palette_alpha = image.palette_alpha;
  result.transparent_color = image.transparent_color;
  result.exif_orientation = image.exif_orientation;
  result.pixels.resize(static_cast<size_t>(width) * height * ChannelsOf(image.mode));
  return result;
}

// a * b / 255, rounded, as Pillow's MULDIV255.
inline uint8_t MulDiv255(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 128;
  return static_cast<uint8_t>((product / 256 + product) / 256);
}

// Modes LA and RGBA <-> Pillow's La and RGBa.
std::vector<uint8_t> Premultiplied(const Image& image) {
  std::vector<uint8_t> pixels = image.pixels;
  const size_t channels = ChannelsOf(image.mode);
  for (size_t i = 0; i < pixels.size(); i += channels) {
    const uint8_t alpha = pixels[i + channels - 1];
    for (size_t c = 0; c + 1 < channels; ++c) pixels[i + c] = MulDiv255(pixels[i + c], alpha);
  }
  return pixels;
}

void Unpremultiply(Image* image) {
  const size_t channels = ChannelsOf(image->mode);
  std::vector<uint8_t>& pixels = image->pixels;
  for (size_t i = 0; i < pixels.size(); i += channels) {
    const int alpha = pixels[i + channels - 1];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = 0; c + 1 < channels; ++c)
      pixels[i + c] = static_cast<uint8_t>(std::min(255 * pixels[i + c] / alpha, 255));
  }
}

// Sums of wide samples are in double, and rounded half away from zero; 16-bit ones are clipped.
template <class T>
T RoundedSample(double sum) {
  const double rounded = sum >= 0 ? std::floor(sum + 0.5f) : -std::floor(std::abs(sum) + 0.5f);
  if constexpr (sizeof(T) == 2) return static_cast<T>(std::clamp(rounded, 0.0, 65535.0));
  return static_cast<T>(std::clamp(rounded, -2147483648.0, 2147483647.0));
}

template <class T>
struct WideRows {
  std::vector<T> samples;
  size_t width;
};

template <class T>
WideRows<T> WideHorizontal(const WideRows<T>& in, const AxisWeights& axis, size_t first, size_t count) {
  WideRows<T> out{std::vector<T>(count * axis.begin.size()), axis.begin.size()};
  for (size_t y = 0; y < count; ++y) {
    for (size_t x = 0; x < out.width; ++x) {
      double sum = 0;
      for (int t = 0; t < axis.taps[x]; ++t) {
        sum += in.samples[(first + y) * in.width + axis.begin[x] + t] * axis.weights[x * axis.stride + t];
      }
      out.samples[y * out.width + x] = RoundedSample<T>(sum);
    }
  }
  return out;
}

template <class T>
WideRows<T> WideVertical(const WideRows<T>& in, const AxisWeights& axis) {
  WideRows<T> out{std::vector<T>(in.width * axis.begin.size()), in.width};
  for (size_t y = 0; y < axis.begin.size(); ++y) {
    for (size_t x = 0; x < out.width; ++x) {
      double sum = 0;
      for (int t = 0; t < axis.taps[y]; ++t) {
        sum += in.samples[(axis.begin[y] + t) * in.width + x] * axis.weights[y * axis.stride + t];
      }
      out.samples[y * out.width + x] = RoundedSample<T>(sum);
    }
  }
  return out;
}

// Pillow's 16- and 32-bit resampling: the order of the passes as with bytes.
template <class T>
Image ResampleWide(const Image& image, const ResampleTarget& target, Filter filter) {
  WideRows<T> rows{std::vector<T>(image.pixels.size() / sizeof(T)), static_cast<size_t>(image.width)};
  std::memcpy(rows.samples.data(), image.pixels.data(), image.pixels.size());
  const auto axis = [&](int in, int out, int first, int count) {
    // A pass of unchanged size is exact with the box filter: one tap of weight one.
    return kernels::ComputeAxisWeights(in, {out, first, count}, in == out ? Filter::kBox : filter);
  };
  AxisWeights vertical = axis(image.height, target.height, target.top, target.window_height);
  const AxisWeights horizontal = axis(image.width, target.width, target.left, target.window_width);
  if (kernels::IsVerticalFirst(image.width, image.height, target.width, target.height)) {
    rows = WideHorizontal(WideVertical(rows, vertical), horizontal, 0, target.window_height);
  } else {
    const int first = vertical.begin.front(), count = vertical.begin.back() + vertical.taps.back() - first;
    for (int& begin : vertical.begin) begin -= first;
    rows = WideVertical(WideHorizontal(rows, horizontal, first, count), vertical);
  }
  Image result = Like(image, target.window_width, target.window_height);
  std::memcpy(result.pixels.data(), rows.samples.data(), result.pixels.size());
  return result;
}

// Pillow transforms 16-bit pictures by its generic code, which multiplies where ImagingScaleAffine adds up.
Image NearestI16(const Image& image, const ResampleTarget& target) {
  const double step_x = static_cast<double>(image.width) / target.width;
  const double step_y = static_cast<double>(image.height) / target.height;
  Image result = Like(image, target.window_width, target.window_height);
  uint8_t* out = result.pixels.data();
  for (int y = 0; y < result.height; ++y) {
    const int64_t from_y = static_cast<int64_t>(step_y * (target.top + y + 0.5));
    for (int x = 0; x < result.width; ++x, out += 2) {
      const int64_t from_x = static_cast<int64_t>(step_x * (target.left + x + 0.5));
      if (from_x >= image.width || from_y >= image.height) continue;
      std::memcpy(out, &image.pixels[(from_y * image.width + from_x) * 2], 2);
    }
  }
  return result;
}

bool HasAlphaChannel(PixelMode mode) {
  return mode == PixelMode::kLa || mode == PixelMode::kRgba;
}

// Pillow's alpha_composite over opaque white.
uint8_t OverWhite(uint32_t sample, uint32_t alpha) {
  constexpr uint32_t kBits = 7;
  const uint32_t coefficient = alpha << kBits;
  const uint32_t sum = sample * coefficient + 255 * ((255u << kBits) - coefficient) + (0x80u << kBits);
  return static_cast<uint8_t>((((sum >> 8) + sum) >> 8) >> kBits);
}

struct Rgba {
  uint8_t r, g, b, a;
};

// 255 -> 0 inks, by Pillow's formula.
Rgba FromCmyk(const uint8_t* p) {
  const int white = 255 - p[3];
  const auto channel = [&](int ink) { return static_cast<uint8_t>(std::max(white - MulDiv255(ink, white), 0)); };
  return {channel(p[0]), channel(p[1]), channel(p[2]), 255};
}

// The pixel as convert("RGBA") gives it.
Rgba PixelAt(const Image& image, const uint8_t* p) {
  switch (image.mode) {
    case PixelMode::kL:
    case PixelMode::k1: return {p[0], p[0], p[0], 255};
    case PixelMode::kLa: return {p[0], p[0], p[0], p[1]};
    case PixelMode::kP: {
      const uint8_t* color = &image.palette[3 * p[0]];
      return {color[0], color[1], color[2], image.palette_alpha.empty() ? uint8_t{255} : image.palette_alpha[p[0]]};
    }
    case PixelMode::kRgb: return {p[0], p[1], p[2], 255};
    case PixelMode::kRgba: return {p[0], p[1], p[2], p[3]};
    case PixelMode::kCmyk: return FromCmyk(p);
    case PixelMode::kI16: {
      uint16_t value;
      std::memcpy(&value, p, sizeof(value));
      const uint8_t clipped = static_cast<uint8_t>(std::min<int>(value, 255));
      return {clipped, clipped, clipped, 255};
    }
    case PixelMode::kI: {
      int32_t value;
      std::memcpy(&value, p, sizeof(value));
      const uint8_t clipped = static_cast<uint8_t>(std::clamp(value, 0, 255));
      return {clipped, clipped, clipped, 255};
    }
  }
  return {};
}

}  // namespace

Image ResizeWindow(const Image& image, const ResampleTarget& target, Filter filter, kernels::Resampler resampler) {
  CHECK(resampler == kernels::Resampler::kPillow || image.mode == PixelMode::kRgb);
  CHECK(target.width >= 1 && target.height >= 1) << target.width << " x " << target.height;
  if (target.width == image.width && target.height == image.height) {
    return Crop(image, target.left, target.top, target.window_width, target.window_height);
  }
  if (image.mode == PixelMode::k1 || image.mode == PixelMode::kP) filter = Filter::kNearest;
  if (filter != Filter::kNearest) {
    if (image.mode == PixelMode::kI16) return ResampleWide<uint16_t>(image, target, filter);
    if (image.mode == PixelMode::kI) return ResampleWide<int32_t>(image, target, filter);
  }
  if (image.mode == PixelMode::kI16 && filter == Filter::kNearest) return NearestI16(image, target);
  Image result = Like(image, target.window_width, target.window_height);
  const kernels::Bytes2d shape = {image.width, image.height, ChannelsOf(image.mode)};
  if (filter != Filter::kNearest && HasAlphaChannel(image.mode)) {
    kernels::ResampleWindow(Premultiplied(image).data(), shape, target, filter, result.pixels.data());
    Unpremultiply(&result);
  } else {
    kernels::ResampleWindow(image.pixels.data(), shape, target, filter, result.pixels.data(), resampler);
  }
  return result;
}

Image Resize(const Image& image, int width, int height, Filter filter) {
  return ResizeWindow(image, {width, height, 0, 0, width, height}, filter);
}

Image Crop(const Image& image, int left, int top, int width, int height) {
  CHECK(width >= 1 && height >= 1) << width << " x " << height;
  Image result = Like(image, width, height);
  const int64_t channels = ChannelsOf(image.mode);
  const int64_t from_x = std::max(left, 0), to_x = std::min<int64_t>(int64_t{left} + width, image.width);
  if (from_x >= to_x) return result;
  for (int64_t y = 0; y < height; ++y) {
    const int64_t in_y = y + top;
    if (in_y < 0 || in_y >= image.height) continue;
    std::memcpy(&result.pixels[(y * width + from_x - left) * channels],
                &image.pixels[(in_y * image.width + from_x) * channels], (to_x - from_x) * channels);
  }
  return result;
}

Image ConvertToRgb(const Image& image, AlphaPolicy alpha) {
  const bool has_transparency =
      HasAlphaChannel(image.mode) || !image.palette_alpha.empty() || image.transparent_color.has_value();
  const bool is_composited = alpha == AlphaPolicy::kWhite && has_transparency;
  if (image.mode == PixelMode::kRgb && !is_composited) return image;
  Image result = Like(image, 0, 0);
  result.mode = PixelMode::kRgb;
  result.palette.clear();
  result.palette_alpha.clear();
  result.transparent_color.reset();
  result.width = image.width;
  result.height = image.height;
  const size_t count = static_cast<size_t>(image.width) * image.height, channels = ChannelsOf(image.mode);
  result.pixels.resize(3 * count);
  const uint8_t* in = image.pixels.data();
  uint8_t* out = result.pixels.data();
  for (size_t i = 0; i < count; ++i, in += channels, out += 3) {
    Rgba pixel = PixelAt(image, in);
    if (is_composited) {
      const auto& hidden = image.transparent_color;
      if (hidden && pixel.r == (*hidden)[0] && pixel.g == (*hidden)[1] && pixel.b == (*hidden)[2]) pixel.a = 0;
      pixel = {OverWhite(pixel.r, pixel.a), OverWhite(pixel.g, pixel.a), OverWhite(pixel.b, pixel.a), 255};
    }
    out[0] = pixel.r;
    out[1] = pixel.g;
    out[2] = pixel.b;
  }
  return result;
}

Image ApplyExifOrientation(const Image& image) {
  const int orientation = image.exif_orientation;
  if (orientation <= 1 || orientation > 8) return image;
  const bool is_transposed = orientation >= 5;
  const int width = image.width, height = image.height;
  Image result = is_transposed ? Like(image, height, width) : Like(image, width, height);
  result.exif_orientation = 1;
  const size_t channels = ChannelsOf(image.mode);
  // Bits of where the source's x and y run backwards, by orientation.
  const bool flips_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flips_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  uint8_t* out = result.pixels.data();
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x, out += channels) {
      int from_x = is_transposed ? y : x, from_y = is_transposed ? x : y;
      if (flips_x) from_x = width - 1 - from_x;
      if (flips_y) from_y = height - 1 - from_y;
      std::memcpy(out, &image.pixels[(static_cast<size_t>(from_y) * width + from_x) * channels], channels);
    }
  }
  return result;
}

}  // namespace diptych
