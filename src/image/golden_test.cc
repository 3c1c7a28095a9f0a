// Every format and mode against Pillow, torchvision, open_clip and transformers: tools/golden/pixels.py.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "image/preprocess.h"
#include "support/crc32.h"

namespace diptych {
namespace {

using diptych::Crc32;

std::string Crc32(const Image& image) {
  return Crc32(image.pixels.data(), image.pixels.size());
}

std::string Preprocessed(const Image& image, PixelReference reference, ResizeMode mode) {
  PreprocessConfig config;
  config.reference = reference;
  config.mode = mode;
  if (reference == PixelReference::kHuggingFace) config.alpha = AlphaPolicy::kWhite;
  if (mode == ResizeMode::kLongest) config.fill_color = 7;
  std::vector<float> pixels(3 * config.crop * config.crop);
  Preprocess(image, config, pixels.data());
  return Crc32(pixels.data(), pixels.size() * sizeof(float));
}

// The columns of pixels.py, after the file's name.
std::vector<std::string> Columns(const Image& image) {
  static constexpr const char* kModes[] = {"L", "LA", "P", "RGB", "RGBA", "CMYK", "1", "I;16", "I"};
  std::vector<std::string> columns = {kModes[static_cast<int>(image.mode)],
                                      std::to_string(image.width) + "x" + std::to_string(image.height), Crc32(image),
                                      Crc32(ConvertToRgb(image)), Crc32(ConvertToRgb(image, AlphaPolicy::kWhite))};
  if (1.0 * image.width * image.height >= 20e6) return columns;
  for (const auto filter : {kernels::Filter::kNearest, kernels::Filter::kBox, kernels::Filter::kBilinear,
                            kernels::Filter::kHamming, kernels::Filter::kBicubic, kernels::Filter::kLanczos}) {
    columns.push_back(Crc32(Resize(image, 97, 61, filter)));
  }
  columns.push_back(Crc32(Resize(image, 301, 457, kernels::Filter::kBicubic)));
  for (const auto reference : {PixelReference::kTorchvision, PixelReference::kHuggingFace}) {
    for (const auto mode : {ResizeMode::kShortest, ResizeMode::kLongest, ResizeMode::kSquash}) {
      columns.push_back(Preprocessed(image, reference, mode));
    }
  }
  return columns;
}

void CompareWithGolden(const std::string& golden, const std::string& folder, size_t rows_expected) {
  std::ifstream file(std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/pixels/" + golden);
  DecodeOptions options;
  options.max_megapixels = 200;
  size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    std::istringstream cells(line);
    std::string name, cell;
    std::getline(cells, name, '\t');
    SCOPED_TRACE(name);
    const Result<Image> image = LoadImage(folder + "/" + name, options);
    std::vector<std::string> expected;
    while (std::getline(cells, cell, '\t')) expected.push_back(cell);
    if (expected == std::vector<std::string>{"error"}) {
      EXPECT_FALSE(image.ok());
      continue;
    }
    if (name.ends_with(".avif")) continue;  // another upsampling of chroma: docs/numerics.md
    ASSERT_TRUE(image.ok()) << image.status().ToString();
    std::vector<std::string> actual = Columns(*image);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      if (expected[i] == "-") continue;  // no such reference
      EXPECT_EQ(actual[i], expected[i]) << "column " << i + 2;
    }
  }
  EXPECT_EQ(rows, rows_expected);
}

TEST(PixelsGolden, EveryFormatAndMode) {
  CompareWithGolden("pixels.tsv", DIPTYCH_SOURCE_DIR, 71);
}

TEST(PixelsGolden, SamplePhotographs) {
  const std::string folder = DIPTYCH_SOURCE_DIR "/../shared/data/samples";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  CompareWithGolden("samples.tsv", folder, 74);
}

std::string TorchResized(const Image& rgb, int width, int height, kernels::Filter filter) {
  return Crc32(ResizeWindow(rgb, {width, height, 0, 0, width, height}, filter, kernels::Resampler::kTorch));
}

std::string Transformers5(const Image& image, int size, int crop) {
  PreprocessConfig config;
  config.reference = PixelReference::kTransformers5;
  config.alpha = AlphaPolicy::kWhite;
  config.size = size;
  config.crop = crop;
  std::vector<float> pixels(static_cast<size_t>(3 * crop * crop));
  Preprocess(image, config, pixels.data());
  return Crc32(pixels.data(), pixels.size() * sizeof(float));
}

// tools/golden/torchvision_pixels.py
TEST(PixelsGolden, TorchResizesAndTransformers5) {
  std::ifstream file(DIPTYCH_SOURCE_DIR "/tests/golden/pixels/torchvision.tsv");
  size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    std::istringstream cells(line);
    std::string name, expected;
    cells >> name;
    const auto image = LoadImage(std::string(DIPTYCH_SOURCE_DIR) + "/" + name, {});
    ASSERT_TRUE(image.ok()) << name;
    const Image rgb = ConvertToRgb(*image);
    for (const std::string& actual :
         {TorchResized(rgb, 97, 61, kernels::Filter::kBicubic), TorchResized(rgb, 301, 457, kernels::Filter::kBicubic),
          TorchResized(rgb, 97, 61, kernels::Filter::kBilinear), Transformers5(*image, 224, 224),
          Transformers5(*image, 60, 93)}) {
      cells >> expected;
      EXPECT_EQ(actual, expected) << name;
    }
  }
  EXPECT_GE(rows, 30u);
}

// Pillow's Image.draft: tools/golden/fast_decode.py.
TEST(PixelsGolden, SmallerJpegsAreThoseOfPillow) {
  std::ifstream file(std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/pixels/fast_decode.tsv");
  std::string name, size, sum;
  int rows = 0;
  for (DecodeOptions options; file >> name >> options.cover >> size >> sum; ++rows) {
    const Result<Image> image = LoadImage(std::string(DIPTYCH_SOURCE_DIR) + "/" + name, options);
    ASSERT_TRUE(image.ok()) << image.status().ToString();
    EXPECT_EQ(std::to_string(image->width) + "x" + std::to_string(image->height), size) << name << " " << options.cover;
    EXPECT_EQ(Crc32(*image), sum) << name << " " << options.cover;
    const Image whole = *LoadImage(std::string(DIPTYCH_SOURCE_DIR) + "/" + name, {});
    const bool smaller = image->width != whole.width;
    EXPECT_EQ(image->file_width, smaller ? whole.width : 0);
    EXPECT_EQ(image->file_height, smaller ? whole.height : 0);
  }
  EXPECT_EQ(rows, 15);
}

}  // namespace
}  // namespace diptych
