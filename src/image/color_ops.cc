#include "image/color_ops.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.h"

namespace diptych {
namespace {

using Table = std::array<uint8_t, 256>;

// Convert.c's L24: ITU-R 601-2 in 16.16 fixed point.
uint8_t Luminance(const uint8_t* p) {
  return static_cast<uint8_t>((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
}

// Blend.c, one sample. Outside of [0, 1] the result can leave the range.
uint8_t Blend(int degenerate, int sample, float factor) {
  const float value = static_cast<float>(degenerate) + factor * static_cast<float>(sample - degenerate);
  return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f));
}

void CheckRgb(const Image& image) {
  CHECK(image.mode == PixelMode::kRgb);
}

template <class F>
void ForEachPixel(Image& image, F f) {
  CheckRgb(image);
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) f(&image.pixels[i]);
}

void Apply(Image& image, const std::array<Table, 3>& tables) {
  ForEachPixel(image, [&](uint8_t* p) {
    for (int c = 0; c < 3; ++c) p[c] = tables[c][p[c]];
  });
}

template <class F>
void ApplyToAll(Image& image, F f) {
  Table table;
  for (int i = 0; i < 256; ++i) table[i] = f(i);
  Apply(image, {table, table, table});
}

std::array<std::array<int64_t, 256>, 3> Histograms(Image& image) {
  std::array<std::array<int64_t, 256>, 3> counts{};
  ForEachPixel(image, [&](const uint8_t* p) {
    for (int c = 0; c < 3; ++c) ++counts[c][p[c]];
  });
  return counts;
}

Table Identity() {
  Table table;
  for (int i = 0; i < 256; ++i) table[i] = static_cast<uint8_t>(i);
  return table;
}

struct Hsv {
  uint8_t h, s, v;
};

// Convert.c's rgb2hsv_row. Its constants are double, its variables float; both matter for the last bit.
Hsv ToHsv(const uint8_t* p) {
  const uint8_t r = p[0], g = p[1], b = p[2];
  const uint8_t max = std::max({r, g, b}), min = std::min({r, g, b});
  if (min == max) return {0, 0, max};
  const float range = static_cast<float>(max - min);
  const float s = range / static_cast<float>(max);
  const float rc = static_cast<float>(max - r) / range;
  const float gc = static_cast<float>(max - g) / range;
  const float bc = static_cast<float>(max - b) / range;
  float h;
  if (r == max) {
    h = bc - gc;
  } else if (g == max) {
    h = static_cast<float>(2.0 + rc - bc);
  } else {
    h = static_cast<float>(4.0 + gc - rc);
  }
  const double turns = h / 6.0 + 1.0;  // in [5/6, 2), so that its fraction, Pillow's fmod, is exact
  h = static_cast<float>(turns >= 1.0 ? turns - 1.0 : turns);
  return {static_cast<uint8_t>(h * 255.0), static_cast<uint8_t>(s * 255.0), max};
}

// What hsv2rgb computes of a hue and of a saturation alone.
struct HsvTables {
  std::array<uint8_t, 256> sector;
  std::array<float, 256> fraction;  // within the sector
  std::array<float, 256> saturation;

  HsvTables() {
    for (int i = 0; i < 256; ++i) {
      const double place = static_cast<float>(i) * 6.0 / 255.0;
      const int whole = static_cast<int>(place);
      sector[i] = static_cast<uint8_t>(whole % 6);
      fraction[i] = static_cast<float>(place - static_cast<float>(whole));
      saturation[i] = static_cast<float>(static_cast<float>(i) / 255.0);
    }
  }
};

// Convert.c's hsv2rgb.
void FromHsv(const Hsv& hsv, uint8_t* out) {
  static const HsvTables tables;
  const uint8_t v = hsv.v;
  const auto set = [&](uint8_t r, uint8_t g, uint8_t b) {
    out[0] = r;
    out[1] = g;
    out[2] = b;
  };
  if (hsv.s == 0) return set(v, v, v);
  const float f = tables.fraction[hsv.h], s = tables.saturation[hsv.s];
  const auto sample = [&](double share) {
    const double value = static_cast<float>(v) * share;
    const int whole = static_cast<int>(value);
    return static_cast<uint8_t>(whole + (value - whole >= 0.5));  // round() of what is not negative
  };
  const uint8_t p = sample(1.0 - s), q = sample(1.0 - s * f), t = sample(1.0 - s * (1.0 - f));
  switch (tables.sector[hsv.h]) {
    case 0: return set(v, t, p);
    case 1: return set(q, v, p);
    case 2: return set(p, v, t);
    case 3: return set(p, q, v);
    case 4: return set(t, p, v);
    default: return set(v, p, q);
  }
}

}  // namespace

void AdjustBrightness(Image& image, float factor) {
  ApplyToAll(image, [&](int value) { return Blend(0, value, factor); });
}

void AdjustContrast(Image& image, float factor) {
  uint64_t sum = 0;
  ForEachPixel(image, [&](const uint8_t* p) { sum += Luminance(p); });
  const double mean = static_cast<double>(sum) / (static_cast<double>(image.width) * image.height);
  const int grey = static_cast<int>(mean + 0.5);
  ApplyToAll(image, [&](int value) { return Blend(grey, value, factor); });
}

void AdjustSaturation(Image& image, float factor) {
  ForEachPixel(image, [&](uint8_t* p) {
    const uint8_t grey = Luminance(p);
    for (int c = 0; c < 3; ++c) p[c] = Blend(grey, p[c], factor);
  });
}

void AdjustSharpness(Image& image, float factor) {
  CheckRgb(image);
  if (image.width < 3 || image.height < 3) return;
  const Image original = image;
  const int64_t row = int64_t{3} * image.width;
  for (int64_t y = 1; y + 1 < image.height; ++y) {
    for (int64_t i = y * row + 3; i < (y + 1) * row - 3; ++i) {
      const uint8_t* p = &original.pixels[i];
      int sum = 4 * p[0];  // ImageFilter.SMOOTH: the centre weighs 5, its neighbours 1, all over 13
      for (int dy = -1; dy <= 1; ++dy) sum += p[dy * row - 3] + p[dy * row] + p[dy * row + 3];
      // 13 is odd: no sum lies half-way, so that Pillow's float sum rounds as whole numbers do.
      image.pixels[i] = Blend((2 * sum + 13) / 26, p[0], factor);
    }
  }
}

void AdjustHue(Image& image, double turn) {
  CHECK(turn >= -0.5 && turn <= 0.5) << turn;
  const uint8_t shift = static_cast<uint8_t>(static_cast<int>(turn * 255));
  ForEachPixel(image, [&](uint8_t* p) {
    Hsv hsv = ToHsv(p);
    hsv.h = static_cast<uint8_t>(hsv.h + shift);
    FromHsv(hsv, p);
  });
}

void Greyscale(Image& image) {
  ForEachPixel(image, [](uint8_t* p) { p[0] = p[1] = p[2] = Luminance(p); });
}

void Posterize(Image& image, int bits) {
  CHECK(bits >= 1 && bits <= 8) << bits;
  ApplyToAll(image, [&](int value) { return static_cast<uint8_t>(value & ~((1 << (8 - bits)) - 1)); });
}

void Solarize(Image& image, double threshold) {
  ApplyToAll(image, [&](int value) { return static_cast<uint8_t>(value < threshold ? value : 255 - value); });
}

void AutoContrast(Image& image) {
  const auto histograms = Histograms(image);
  std::array<Table, 3> tables;
  for (int c = 0; c < 3; ++c) {
    const auto& counts = histograms[c];
    int low = 0, high = 255;
    while (low < 255 && counts[low] == 0) ++low;
    while (high > 0 && counts[high] == 0) --high;
    tables[c] = Identity();
    if (high <= low) continue;
    const double scale = 255.0 / (high - low), offset = -low * scale;
    for (int i = 0; i < 256; ++i) {
      tables[c][i] = static_cast<uint8_t>(std::clamp(static_cast<int>(i * scale + offset), 0, 255));
    }
  }
  Apply(image, tables);
}

void Equalize(Image& image) {
  const auto histograms = Histograms(image);
  std::array<Table, 3> tables;
  for (int c = 0; c < 3; ++c) {
    const auto& counts = histograms[c];
    int64_t total = 0, last = 0;
    for (const int64_t count : counts) {
      total += count;
      if (count != 0) last = count;
    }
    tables[c] = Identity();
    const int64_t step = (total - last) / 255;
    if (step == 0) continue;
    int64_t n = step / 2;
    for (int i = 0; i < 256; ++i) {
      tables[c][i] = static_cast<uint8_t>(std::min<int64_t>(n / step, 255));
      n += counts[i];
    }
  }
  Apply(image, tables);
}

}  // namespace diptych
