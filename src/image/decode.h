// Encoded bytes -> a picture, as Pillow opens it.
#ifndef DIPTYCH_IMAGE_DECODE_H_
#define DIPTYCH_IMAGE_DECODE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/status.h"

namespace diptych {

/// Pillow's modes: they decide how a picture is resized and converted, so they are kept until then.
enum class PixelMode : uint8_t {
  kL,   // 8-bit grey
  kLa,  // grey + alpha
  kP,   // palette indices; palette holds RGB triples
  kRgb,
  kRgba,
  kCmyk,  // as Pillow holds it: 255 = full ink
  k1,     // bilevel: one byte a pixel, 0 or 255
  kI16,   // 16-bit grey, native byte order, two bytes a pixel (Pillow's "I;16")
  kI,     // int32 grey, native byte order, four bytes a pixel (16-bit PGM)
};

struct Image {
  PixelMode mode = PixelMode::kRgb;
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;         // (height, width, channels of the mode), interleaved
  std::vector<uint8_t> palette;        // kP only: 256 RGB triples; those that the file lacks are black
  std::vector<uint8_t> palette_alpha;  // kP with transparent colours: 256 values
  std::optional<std::array<uint8_t, 3>> transparent_color;  // k1, kL, kRgb: the one that PNG's tRNS hides
  int exif_orientation = 1;                                 // 1 to 8; recorded, not applied
  int file_width = 0, file_height = 0;  // of the file, where DecodeOptions::cover made the picture smaller; else 0
};

int ChannelsOf(PixelMode mode);  // bytes a pixel

struct DecodeOptions {
  double max_megapixels = 100;   // checked from the header, before anything is allocated
  bool allow_truncated = false;  // take what decodes of a cut-off picture, the rest as Pillow fills it
  bool exif_rotate = false;      // apply the orientation (the references do not)
  /// JPEGs are decoded at the smallest of 1/8, 1/4 and 1/2 of their size at which no side is shorter than this, scaled
  /// in the DCT domain: fast, and not what the reference sees. 0: as they are.
  int cover = 0;
};

/// The first frame of a JPEG, PNG, WebP, GIF, TIFF, BMP, PNM, or (where libheif is built in) AVIF or HEIC picture; the
/// format is found from the bytes, never from a name. `where` is put before every message.
/// Errors: kCorrupt for damaged or truncated data, kLimitExceeded, kUnsupported with the package to install.
Result<Image> DecodeImage(ByteSpan bytes, const DecodeOptions& options, const std::string& where);

/// Larger files are refused.
inline constexpr size_t kMaxPictureBytes = size_t{1} << 30;

/// Reads and decodes a file.
Result<Image> LoadImage(const std::string& path, const DecodeOptions& options);

/// What can be decoded here: {"JPEG", "libjpeg-turbo 2.1.5"}, ... for `info` and for messages.
std::vector<std::pair<std::string, std::string>> SupportedFormats();

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_DECODE_H_
