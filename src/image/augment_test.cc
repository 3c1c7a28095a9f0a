#include "image/augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

#include "image/affine.h"
#include "image/color_ops.h"
#include "support/crc32.h"

namespace diptych {
namespace {

constexpr const char* kOpNames[kRandAugmentOps] = {
    "Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
    "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};

std::vector<std::vector<std::string>> ReadTable(const std::string& name) {
  std::ifstream file(std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/augment/" + name);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, '\t');) rows.back().push_back(cell);
  }
  return rows;
}

Image Rgb(int width, int height, uint64_t seed = 1) {
  Image image;
  image.width = width;
  image.height = height;
  Rng rng(seed);
  for (int i = 0; i < 3 * width * height; ++i) image.pixels.push_back(static_cast<uint8_t>(rng.Below(256)));
  return image;
}

// Every third value of each channel.
Image Cube() {
  Image image;
  image.width = 86 * 86;
  image.height = 86;
  for (int r = 0; r < 256; r += 3) {
    for (int g = 0; g < 256; g += 3) {
      for (int b = 0; b < 256; b += 3) {
        for (const int value : {r, g, b}) image.pixels.push_back(static_cast<uint8_t>(value));
      }
    }
  }
  return image;
}

void Apply(const std::string& name, const std::vector<double>& p, Image& image) {
  for (int op = 0; op < kRandAugmentOps; ++op) {
    if (name == kOpNames[op]) return ApplyRandAugmentOp(static_cast<RandAugmentOp>(op), p[0], image);
  }
  const float factor = p.empty() ? 0 : static_cast<float>(p[0]);
  if (name == "brightness") return AdjustBrightness(image, factor);
  if (name == "contrast") return AdjustContrast(image, factor);
  if (name == "saturation") return AdjustSaturation(image, factor);
  if (name == "sharpness") return AdjustSharpness(image, factor);
  if (name == "hue") return AdjustHue(image, p[0]);
  if (name == "grey") return Greyscale(image);
  ASSERT_EQ(name, "crop");
  const auto at = [&](int i) { return static_cast<int>(p[i]); };
  image = Resize(Crop(image, at(1), at(0), at(3), at(2)), at(4), at(4), kernels::Filter::kBicubic);
}

TEST(Augment, OperationsEqualTorchvisions) {
  const Result<Image> photo = LoadImage(std::string(DIPTYCH_SOURCE_DIR) + "/tests/pictures/rgb.png", {});
  ASSERT_TRUE(photo.ok());
  const auto rows = ReadTable("ops.tsv");
  EXPECT_EQ(rows.size(), 154u);
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 4u);
    std::vector<double> parameters;
    std::istringstream cells(row[2]);
    for (double value; cells >> value;) parameters.push_back(value);
    Image image = row[0] == "cube" ? Cube() : *photo;
    Apply(row[1], parameters, image);
    EXPECT_EQ(Crc32(image.pixels.data(), image.pixels.size()), row[3]) << row[1] << " " << row[2];
  }
}

TEST(Augment, AmountsOfRandAugmentEqualTorchvisions) {
  const Image image = Rgb(224, 97);
  const auto rows = ReadTable("amounts.tsv");
  ASSERT_EQ(rows.size(), static_cast<size_t>(kRandAugmentOps));
  for (int op = 0; op < kRandAugmentOps; ++op) {
    EXPECT_EQ(rows[op][0], kOpNames[op]);
    for (int bin = 0; bin < 31; ++bin) {
      const double expected = std::stod(rows[op][rows[op].size() == 2 ? 1 : bin + 1]);
      EXPECT_EQ(RandAugmentAmount(static_cast<RandAugmentOp>(op), bin, image), expected) << kOpNames[op] << " " << bin;
    }
  }
}

TEST(Augment, CropsKeepTheirShareAndRatio) {
  AugmentOptions options;
  options.min_scale = 0.2;
  options.max_scale = 0.6;
  Rng rng(1);
  double share = 0, log_ratio = 0, left = 0;
  constexpr int kCount = 20000;
  for (int i = 0; i < kCount; ++i) {
    const CropBox box = DrawCropBox(400, 400, options, rng);
    ASSERT_TRUE(box.left >= 0 && box.top >= 0 && box.width >= 1 && box.height >= 1);
    ASSERT_TRUE(box.left + box.width <= 400 && box.top + box.height <= 400);
    const double area = static_cast<double>(box.width) * box.height / (400 * 400);
    const double ratio = static_cast<double>(box.width) / box.height;
    ASSERT_TRUE(area > 0.195 && area < 0.605) << area;
    ASSERT_TRUE(ratio > 0.74 && ratio < 1.35) << ratio;
    share += area / kCount;
    log_ratio += std::log(ratio) / kCount;
    if (box.width < 400) left += static_cast<double>(box.left) / (400 - box.width) / kCount;
  }
  EXPECT_NEAR(share, 0.4, 0.005);
  EXPECT_NEAR(log_ratio, 0, 0.007);
  EXPECT_NEAR(left, 0.5, 0.012);
}

// What get_params falls back to where no try fits.
TEST(Augment, CropsOfExtremeShapesAreCentred) {
  Rng rng(1);
  const auto expect = [&](int width, int height, const CropBox& expected) {
    const CropBox box = DrawCropBox(width, height, {}, rng);
    EXPECT_EQ(box.left, expected.left);
    EXPECT_EQ(box.top, expected.top);
    EXPECT_EQ(box.width, expected.width);
    EXPECT_EQ(box.height, expected.height);
  };
  expect(1000, 30, {480, 0, 40, 30});
  expect(30, 1001, {0, 480, 30, 40});
  expect(1, 1000, {0, 499, 1, 1});
  expect(1000, 1, {499, 0, 1, 1});
  expect(1, 1, {0, 0, 1, 1});
}

TEST(Augment, ViewsDependOnTheRngAlone) {
  AugmentOptions options;
  options.flip = options.jitter = options.greyscale = 0.5;
  options.brightness = options.contrast = options.saturation = 0.4;
  options.hue = 0.1;
  options.randaugment_ops = 2;
  PreprocessConfig config;
  config.crop = 32;
  const Image image = Rgb(50, 40);
  std::vector<std::vector<uint8_t>> views;
  for (uint64_t stream = 0; stream < 20; ++stream) {
    Rng a(7, stream), b(7, stream);
    const Image view = AugmentToRgb8(image, config, options, a);
    EXPECT_EQ(view.width, 32);
    EXPECT_EQ(view.height, 32);
    EXPECT_EQ(view.mode, PixelMode::kRgb);
    EXPECT_EQ(view.pixels, AugmentToRgb8(image, config, options, b).pixels);
    for (const auto& other : views) EXPECT_NE(view.pixels, other);
    views.push_back(view.pixels);
  }
}

TEST(Augment, WholePicturesAreOnlyResized) {
  AugmentOptions options;
  options.min_scale = options.min_ratio = options.max_ratio = 1;
  PreprocessConfig config;
  config.crop = 24;
  const Image image = Rgb(40, 40);
  Rng rng(1);
  const Image view = AugmentToRgb8(image, config, options, rng);
  EXPECT_EQ(view.pixels, Resize(image, 24, 24, config.filter).pixels);
  options.flip = 1;
  const Image mirror = AugmentToRgb8(image, config, options, rng);
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 24; ++x) {
      for (int c = 0; c < 3; ++c) {
        ASSERT_EQ(mirror.pixels[3 * (24 * y + x) + c], view.pixels[3 * (24 * y + 23 - x) + c]);
      }
    }
  }
  options.greyscale = 1;
  const Image grey = AugmentToRgb8(image, config, options, rng);
  EXPECT_EQ(grey.pixels[0], grey.pixels[1]);
  EXPECT_EQ(grey.pixels[0], grey.pixels[2]);
}

TEST(Augment, PicturesOfOtherModesBecomeRgb) {
  PreprocessConfig config;
  config.crop = 16;
  for (const char* name : {"gray.png", "palette_alpha.png", "cmyk.jpg", "gray16.png", "bilevel.png", "alpha.png"}) {
    const Result<Image> image = LoadImage(std::string(DIPTYCH_SOURCE_DIR) + "/tests/pictures/" + name, {});
    ASSERT_TRUE(image.ok()) << name;
    AugmentOptions options;
    options.jitter = 1;
    options.hue = 0.5;
    options.randaugment_ops = 3;
    Rng rng(1);
    EXPECT_EQ(AugmentToRgb8(*image, config, options, rng).pixels.size(), 3u * 16 * 16) << name;
  }
}

// A picture too wide for 16.16 coordinates goes another way through Pillow, which must agree.
TEST(Augment, WidePicturesAreSheared) {
  const Image image = Rgb(40000, 4);
  const Image sheared = TransformNearest(image, {1, 0.5, 0, 0.00001, 1, 0});
  for (int x = 0; x < 30000; x += 997) EXPECT_EQ(sheared.pixels[3 * x], image.pixels[3 * x]) << x;
  // Row 3: x + 0.5 + 3.5 / 2.
  EXPECT_EQ(sheared.pixels[3 * (3 * 40000 + 10)], image.pixels[3 * (3 * 40000 + 12)]);
}

TEST(Augment, OptionsOutOfRangeAreNamed) {
  EXPECT_TRUE(CheckAugmentOptions({}).ok());
  AugmentOptions options;
  options.hue = 0.6;
  EXPECT_EQ(CheckAugmentOptions(options).ToString(), "augmentation: hue is 0.6, which is not within 0 and 0.5");
  options = {.min_scale = 0.9, .max_scale = 0.8};
  EXPECT_EQ(CheckAugmentOptions(options).code(), StatusCode::kInvalidArgument);
  options = {.randaugment_magnitude = 31};
  EXPECT_EQ(CheckAugmentOptions(options).code(), StatusCode::kInvalidArgument);
  options = {.flip = std::nan("")};
  EXPECT_EQ(CheckAugmentOptions(options).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace diptych
