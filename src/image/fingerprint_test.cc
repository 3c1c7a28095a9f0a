#include "image/fingerprint.h"

#include <gtest/gtest.h>

#include <string>

#include "image/resize.h"

namespace diptych {
namespace {

Image Example(const std::string& name) {
  return *LoadImage(std::string(DIPTYCH_SOURCE_DIR) + "/examples/" + name, {});
}

Image Scaled(const Image& image, int width, int height) {
  return Resize(image, width, height, kernels::Filter::kBilinear);
}

TEST(Fingerprint, CopiesAreNearOthersFar) {
  const Image cat = ConvertToRgb(Example("cat.png"));
  const PictureFingerprint original = Fingerprint(cat);
  EXPECT_LE(HashDistance(original.phash, Fingerprint(Scaled(cat, cat.width / 2, cat.height / 2)).phash), 4);
  EXPECT_LE(HashDistance(original.phash, Fingerprint(Scaled(cat, 1000, 700)).phash), 6);
  Image bright = cat;
  for (uint8_t& v : bright.pixels) v = static_cast<uint8_t>(std::min(255, v * 5 / 4));
  EXPECT_LE(HashDistance(original.phash, Fingerprint(bright).phash), 6);
  EXPECT_LE(HashDistance(original.detail, Fingerprint(bright).detail), 24);
  EXPECT_LE(HashDistance(original.detail, Fingerprint(Scaled(cat, cat.width / 2, cat.height / 2)).detail), 16);
  for (const char* other : {"coffee.jpg", "rocket.jpg"}) {
    EXPECT_GE(HashDistance(original.phash, Fingerprint(Example(other)).phash), 18) << other;
    EXPECT_GE(HashDistance(original.detail, Fingerprint(Example(other)).detail), 90) << other;
  }
  Image mirrored = cat;
  mirrored.exif_orientation = 2;
  EXPECT_GE(HashDistance(original.phash, Fingerprint(ApplyExifOrientation(mirrored)).phash), 12);
}

TEST(Fingerprint, BlurredIsLessSharp) {
  const Image cat = ConvertToRgb(Example("cat.png"));
  const Image blurred = Scaled(Scaled(cat, cat.width / 4, cat.height / 4), cat.width, cat.height);
  EXPECT_GT(Fingerprint(cat).sharpness, 3 * Fingerprint(blurred).sharpness);
}

TEST(Fingerprint, FlatAndTinyPictures) {
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(2, 3), std::pair(31, 1), std::pair(100, 200)}) {
    Image flat{.mode = PixelMode::kRgb, .width = width, .height = height};
    flat.pixels.assign(static_cast<size_t>(width * height * 3), 200);
    const PictureFingerprint fingerprint = Fingerprint(flat);
    EXPECT_EQ(fingerprint.phash, 0u);
    EXPECT_EQ(fingerprint.sharpness, 0);
  }
}

}  // namespace
}  // namespace diptych
