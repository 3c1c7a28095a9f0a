// Damaged and malicious pictures: an error or a picture, never a crash, a hang or an unbounded allocation.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <random>

#include "image/decode.h"

namespace diptych {
namespace {

ByteSpan Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::vector<std::string> Pictures() {
  std::vector<std::string> contents;
  for (const auto& entry : std::filesystem::directory_iterator(DIPTYCH_SOURCE_DIR "/tests/pictures")) {
    if (entry.path().extension() == ".md") continue;
    Result<std::string> bytes = ReadFile(entry.path().string());
    if (bytes.ok()) contents.push_back(std::move(bytes).value());
  }
  return contents;
}

// Both ways of decoding; whatever comes out is consistent.
void Decode(const std::string& bytes) {
  for (const bool allow_truncated : {false, true}) {
    DecodeOptions options;
    options.max_megapixels = 1;
    options.allow_truncated = allow_truncated;
    options.exif_rotate = true;
    const Result<Image> image = DecodeImage(Bytes(bytes), options, "p");
    if (!image.ok()) {
      EXPECT_FALSE(image.status().ToString().empty());
      continue;
    }
    EXPECT_EQ(image->pixels.size(), static_cast<size_t>(image->width) * image->height * ChannelsOf(image->mode));
    EXPECT_LE(1e-6 * image->width * image->height, 1.0);
    EXPECT_EQ(image->palette.size(), image->mode == PixelMode::kP ? 768u : 0u);
  }
}

TEST(HostilePictures, CutOffAnywhere) {
  const std::vector<std::string> pictures = Pictures();
  ASSERT_GT(pictures.size(), 60u);
  for (const std::string& picture : pictures) {
    const size_t step = std::max<size_t>(picture.size() / 40, 1);
    for (size_t size = 0; size < picture.size(); size += step) Decode(picture.substr(0, size));
  }
}

TEST(HostilePictures, SeededMutations) {
  const std::vector<std::string> pictures = Pictures();
  std::mt19937 random(20240229);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(8);
  for (int round = 0; round < 40 && std::chrono::steady_clock::now() < deadline; ++round) {
    for (std::string picture : pictures) {
      // Half of the damage goes where the structure is: the first bytes.
      const size_t range = round % 2 == 0 ? picture.size() : std::min<size_t>(picture.size(), 100);
      for (int i = 0; i < 1 + round % 6; ++i) picture[random() % range] = static_cast<char>(random());
      Decode(picture);
    }
  }
}

std::string Big32(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

TEST(HostilePictures, GiantHeadersAreRefusedBeforeAllocation) {
  using std::string_literals::operator""s;
  const std::string png = "\x89PNG\r\n\x1a\n" + Big32(13) + "IHDR" + Big32(60000) + Big32(60000) + "\x08\x02\0\0\0"s +
                          Big32(0) + Big32(4) + "IDAT" + Big32(0) + Big32(0);
  const std::string gif = "GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"s;
  const std::string bmp =
      "BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x60\xea\0\0\x60\xea\0\0\1\0\x18\0"s + std::string(40, '\0');
  const std::string pgm = "P5 60000 60000 255\n";
  const std::string tiff = "II*\0\x08\0\0\0\x05\0"s + "\0\1\4\0\1\0\0\0\x60\xea\0\0"s +
                           "\1\1\4\0\1\0\0\0\x60\xea\0\0"s + "\x06\1\3\0\1\0\0\0\1\0\0\0"s +
                           "\x11\1\4\0\1\0\0\0\x08\0\0\0"s + "\x17\1\4\0\1\0\0\0\1\0\0\0"s + "\0\0\0\0"s;
  for (const std::string& bytes : {png, gif, bmp, pgm, tiff}) {
    const Result<Image> image = DecodeImage(Bytes(bytes), {}, "huge");
    ASSERT_FALSE(image.ok());
    EXPECT_EQ(image.status().code(), StatusCode::kLimitExceeded) << image.status().ToString();
  }
}

TEST(HostilePictures, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(DecodeImage({}, {}, "a.jpg").status().ToString(), "a.jpg: an empty file");
  EXPECT_EQ(DecodeImage(Bytes("some text"), {}, "a.jpg").status().code(), StatusCode::kUnsupported);
  Result<std::string> photo = ReadFile(DIPTYCH_SOURCE_DIR "/examples/coffee.jpg");
  ASSERT_TRUE(photo.ok());
  const std::string half = photo->substr(0, photo->size() / 2);
  const Result<Image> image = DecodeImage(Bytes(half), {}, "a.jpg");
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(image.status().what(), "the picture is cut off");
  EXPECT_TRUE(DecodeImage(Bytes(half), {.allow_truncated = true}, "a.jpg").ok());
}

}  // namespace
}  // namespace diptych
