// Damaged and malicious pictures: an error or a picture, never a crash, a hang or an unbounded allocation.
#include <gtest/gtest.h>
#include <sys/resource.h>

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
    options.cover = allow_truncated ? 8 : 0;
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

using std::string_literals::operator""s;

std::string Little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string Big32(uint32_t value) {
  const std::string little = Little(value, 4);
  return {little.rbegin(), little.rend()};
}

std::string PngChunk(const std::string& type, const std::string& data) {
  uint32_t crc = ~0u;
  for (const char c : type + data) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1) * 0xedb88320u;
  }
  return Big32(static_cast<uint32_t>(data.size())) + type + data + Big32(~crc);
}

// RGB of 8 bits.
std::string Png(uint32_t width, uint32_t height, const std::string& chunks) {
  return "\x89PNG\r\n\x1a\n" + PngChunk("IHDR", Big32(width) + Big32(height) + "\x08\x02\0\0\0"s) + chunks +
         PngChunk("IEND", "");
}

// A zlib stream without end and checksum that inflates to 1 + 258 `matches` zeros: in one block of fixed codes a
// literal zero, then matches of 258 bytes at distance 1, of 13 bits each.
std::string ZeroBomb(size_t matches) {
  std::string out = "\x78\x01";
  uint32_t bits = 0;
  int count = 0;
  const auto put = [&](std::string_view code) {
    for (const char bit : code) {
      bits |= static_cast<uint32_t>(bit == '1') << count;
      if (++count == 8) {
        out.push_back(static_cast<char>(bits));
        bits = 0, count = 0;
      }
    }
  };
  put("11000110000");  // the last block, of fixed codes; the literal
  for (size_t i = 0; i < matches; ++i) put("1100010100000");
  return out;
}

int64_t PeakMegabytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

// Header fields as {tag, type, count, value}; type 3 is 16 bits, 4 is 32.
struct TiffField {
  uint16_t tag, type;
  uint32_t count, value;
};

// A grey picture of 8 bits with these fields besides, whose data would be at byte 8.
std::string Tiff(uint32_t width, uint32_t height, std::vector<TiffField> fields) {
  fields.insert(fields.begin(), {{256, 4, 1, width}, {257, 4, 1, height}, {258, 3, 1, 8}});
  std::string bytes = "II*\0"s + Little(16, 4) + "somedata" + Little(fields.size(), 2);
  for (const TiffField& f : fields)
    bytes += Little(f.tag, 2) + Little(f.type, 2) + Little(f.count, 4) + Little(f.value, 4);
  return bytes + Little(0, 4);
}

TEST(HostilePictures, GiantHeadersAreRefusedBeforeAllocation) {
  const std::string png = Png(60000, 60000, PngChunk("IDAT", ""));
  const std::string canvas = "GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"s;  // its frame is one pixel
  const std::string frame = "GIF89a\1\0\1\0\0\0\0,\xff\xff\xff\xff\xff\xff\xff\xff\0\2\2D\1\0;"s;
  const std::string bmp =
      "BM" + std::string(8, '\0') + "\x36\0\0\0\x28\0\0\0\x60\xea\0\0\x60\xea\0\0\1\0\x18\0"s + std::string(40, '\0');
  const std::string rle = "BM" + std::string(8, '\0') +
                          "\x36\0\0\0\x28\0\0\0\x60\xea\0\0\x60\xea\0\0\1\0\x08\0\1\0\0\0"s + std::string(2000, '\xff');
  const std::string pgm = "P5 60000 60000 255\n";
  const std::string tiff = Tiff(60000, 60000, {{262, 3, 1, 1}, {273, 4, 1, 8}, {279, 4, 1, 1}});
  const std::string jpeg =
      "\xff\xd8\xff\xc0\0\x0b\x08\xff\xdc\xff\xdc\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0\x55\xff\xd9"s;
  const std::string webp = "RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x5f\xea\0\x5f\xea\0VP8L\2\0\0\0\x2f\0"s;
  for (const std::string& bytes : {png, canvas, frame, bmp, rle, pgm, tiff, jpeg, webp}) {
    const Result<Image> image = DecodeImage(Bytes(bytes), {}, "huge");
    ASSERT_FALSE(image.ok()) << bytes.substr(0, 16);
    EXPECT_EQ(image.status().code(), StatusCode::kLimitExceeded) << image.status().ToString();
  }
}

// What is compressed beside the picture stays small, and what its data hold too much is never inflated.
TEST(HostilePictures, PngBombs) {
  const int64_t before = PeakMegabytes();
  const std::string bomb = ZeroBomb(size_t{1} << 20);  // 258 MB
  const std::string pixel = PngChunk("IDAT", ZeroBomb(1));
  for (const std::string& chunk : {PngChunk("zTXt", "k\0\0"s + bomb), PngChunk("iTXt", "k\0\1\0\0\0"s + bomb),
                                   PngChunk("iCCP", "p\0\0"s + bomb)}) {
    Decode(Png(1, 1, chunk + pixel));
    Decode(Png(1, 1, pixel + chunk));
    EXPECT_FALSE(DecodeImage(Bytes(Png(1, 1, chunk + pixel)), {}, "bomb").ok()) << chunk.substr(4, 4);
  }
  Decode(Png(1, 1, PngChunk("IDAT", bomb)));
  const std::string text = PngChunk("zTXt", "k\0\0"s + ZeroBomb(4000));  // 1 MB, and so often over the 64 MB of all
  std::string many;
  for (int i = 0; i < 500; ++i) many += text;
  Decode(Png(1, 1, many + pixel));
  EXPECT_LT(PeakMegabytes() - before, 200);
}

TEST(HostilePictures, PngDataThatEndEarly) {
  // 301 bytes a row: one match more than a row's, of 100 rows.
  const std::string bytes = Png(100, 100, PngChunk("IDAT", ZeroBomb(2)));
  const Result<Image> image = DecodeImage(Bytes(bytes), {}, "p");
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.status().code(), StatusCode::kCorrupt);
  EXPECT_TRUE(DecodeImage(Bytes(bytes), {.allow_truncated = true}, "p").ok());
}

// As Pillow: before the data every checksum counts, from there on none.
TEST(HostilePictures, PngChecksums) {
  const std::string text = PngChunk("tEXt", "k\0v"s), palette = PngChunk("PLTE", "abc"),
                    data = PngChunk("IDAT", ZeroBomb(1));
  const auto spoilt = [](std::string chunk) {
    chunk.back() ^= 1;
    return chunk;
  };
  const auto decodes = [](const std::string& chunks, bool allow_truncated) {
    const std::string bytes = Png(1, 1, chunks);
    return DecodeImage(Bytes(bytes), {.allow_truncated = allow_truncated}, "p").ok();
  };
  EXPECT_TRUE(decodes(text + palette + data + text, false));
  EXPECT_FALSE(decodes(spoilt(text) + palette + data + text, false));
  EXPECT_FALSE(decodes(text + spoilt(palette) + data + text, false));
  EXPECT_TRUE(decodes(text + palette + spoilt(data) + text, false));
  EXPECT_TRUE(decodes(text + palette + data + spoilt(text), false));
  EXPECT_TRUE(decodes(spoilt(text) + palette + data + text, true));
}

TEST(HostilePictures, TiffTablesThatLie) {
  constexpr uint32_t kMany = 0x3fffffff, kMost = 0xffffffff;
  const int64_t before = PeakMegabytes();
  const TiffField grey = {262, 3, 1, 1}, offset = {273, 4, 1, 8}, bytes = {279, 4, 1, 8};
  const std::vector<TiffField> lies[] = {
      {grey, {273, 4, kMany, 8}, {278, 4, 1, 1}, {279, 4, kMany, 8}},          // a thousand million strips
      {grey, {273, 4, kMost, 8}, {278, 4, 1, 1}, {279, 4, kMost, 8}},          //
      {grey, offset, {278, 4, 1, kMost}, {279, 4, 1, kMost}},                  // a strip of 4 GB
      {grey, {273, 4, 1, kMost}, {278, 4, 1, 100}, bytes},                     // far behind the end
      {grey, offset, {278, 4, 1, 0}, bytes},                                   // strips of no rows
      {{259, 3, 1, 8}, grey, offset, {278, 4, 1, kMost}, {279, 4, 1, kMost}},  // the same, deflated
      {{259, 3, 1, 5}, grey, offset, {278, 4, 1, kMost}, {279, 4, 1, kMost}},  // and by LZW
      {grey, {277, 3, 1, 65535}, offset, bytes},                               // samples a pixel
      {grey, {322, 4, 1, 0x7fffff00}, {323, 4, 1, 0x7fffff00}, {324, 4, 1, 8}, {325, 4, 1, 8}},  // one huge tile
      {grey, {322, 4, 1, 16}, {323, 4, 1, 16}, {324, 4, kMany, 8}, {325, 4, kMany, 8}},          // many tiles
      {{262, 3, 1, 3}, offset, bytes, {320, 3, kMany, 8}},                                       // a huge palette
  };
  for (const std::vector<TiffField>& fields : lies) Decode(Tiff(1000, 1000, fields));
  EXPECT_LT(PeakMegabytes() - before, 300);
}

// Each byte of it asks for as much as it can: runs, jumps, ends of lines that lead nowhere.
TEST(HostilePictures, BmpRunsWithoutEnd) {
  const std::string header = "BM" + std::string(8, '\0') + Little(54 + 1024, 4) + Little(40, 4) + Little(1000, 4) +
                             Little(1000, 4) + Little(1, 2) + Little(8, 2) + Little(1, 4) + std::string(20, '\0') +
                             std::string(1024, '\x33');
  for (const std::string& code : {"\xff\1"s, "\0\0"s, "\0\2\xff\xff"s, "\0\2\0\0"s, "\0\xff"s, "\1\1\0\0"s}) {
    std::string bytes = header;
    while (bytes.size() < 100000) bytes += code;
    Decode(bytes);
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
