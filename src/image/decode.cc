#include "image/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "core/check.h"
#include "image/decoders.h"
#include "image/resize.h"

namespace diptych {
namespace {

constexpr int64_t kMaxSide = int64_t{1} << 24;  // far beyond any format's use; keeps sizes within int

bool StartsWith(ByteSpan bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

bool IsHeif(ByteSpan bytes) {
  if (!StartsWith(bytes, "ftyp", 4)) return false;
  for (const char* brand : {"avif", "avis", "mif1", "msf1", "heic", "heix", "hevc", "hevx", "heim", "heis"}) {
    if (StartsWith(bytes, brand, 8)) return true;
  }
  return false;
}

using Decoder = Result<Image> (*)(const DecodeRequest&);

Decoder DecoderOf(ByteSpan bytes) {
  if (StartsWith(bytes, "\xff\xd8\xff")) return DecodeJpeg;
  if (StartsWith(bytes, "\x89PNG\r\n\x1a\n")) return DecodePng;
  if (StartsWith(bytes, "RIFF") && StartsWith(bytes, "WEBP", 8)) return DecodeWebp;
  if (StartsWith(bytes, "GIF87a") || StartsWith(bytes, "GIF89a")) return DecodeGif;
  for (const std::string_view magic : {std::string_view("II*\0", 4), std::string_view("MM\0*", 4),
                                       std::string_view("II+\0", 4), std::string_view("MM\0+", 4)}) {
    if (StartsWith(bytes, magic)) return DecodeTiff;
  }
  if (StartsWith(bytes, "BM")) return DecodeBmp;
  if (bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
      std::strchr(" \t\n\v\f\r", bytes[2])) {
    return DecodePnm;
  }
  if (IsHeif(bytes)) return DecodeHeif;
  return nullptr;
}

}  // namespace

int ChannelsOf(PixelMode mode) {
  switch (mode) {
    case PixelMode::kL:
    case PixelMode::kP:
    case PixelMode::k1: return 1;
    case PixelMode::kLa:
    case PixelMode::kI16: return 2;
    case PixelMode::kRgb: return 3;
    case PixelMode::kRgba:
    case PixelMode::kCmyk:
    case PixelMode::kI: return 4;
  }
  CHECK(false) << static_cast<int>(mode);
  return 0;
}

Status CheckDimensions(const DecodeRequest& request, int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) {
    return Corrupt(request.where, fmt::format("a picture of {} x {} pixels", width, height));
  }
  const double megapixels = 1e-6 * static_cast<double>(width) * static_cast<double>(height);
  if (megapixels > request.options.max_megapixels) {
    return LimitExceeded(request.where,
                         fmt::format("{} x {} pixels are more than the limit of {:g} megapixels", width, height,
                                     request.options.max_megapixels),
                         fmt::format("--max-megapixels {:.0f} would allow it", megapixels + 1));
  }
  if (width > kMaxSide || height > kMaxSide) {
    return LimitExceeded(request.where, fmt::format("a side of {} pixels", std::max(width, height)));
  }
  return Status::Ok();
}

Image NewImage(PixelMode mode, int64_t width, int64_t height) {
  Image image;
  image.mode = mode;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.pixels.resize(static_cast<size_t>(width) * height * ChannelsOf(mode));
  return image;
}

Status CutOff(const DecodeRequest& request) {
  return Corrupt(request.where, "the picture is cut off", "--allow-truncated takes what there is of it");
}

Status Damaged(const DecodeRequest& request, const std::string& format, const std::string& what) {
  return Corrupt(request.where, "a damaged " + format + " picture: " + what);
}

void SetPalette(const uint8_t* rgb, size_t colors, Image* image) {
  image->palette.assign(rgb, rgb + 3 * std::min<size_t>(colors, 256));
  image->palette.resize(256 * 3);
}

Result<Image> DecodeImage(ByteSpan bytes, const DecodeOptions& options, const std::string& where) {
  if (bytes.empty()) return Corrupt(where, "an empty file");
  const Decoder decode = DecoderOf(bytes);
  if (decode == nullptr) {
    return Unsupported(where, "not a picture of a known format",
                       "JPEG, PNG, WebP, GIF, TIFF, BMP, PNM, AVIF and HEIC are read");
  }
  try {
    Result<Image> image = decode({bytes, options, where});
    if (!image.ok() || !options.exif_rotate) return image;
    Image turned = ApplyExifOrientation(*image);
    const bool on_its_side = image->exif_orientation > 4;
    turned.file_width = on_its_side ? image->file_height : image->file_width;
    turned.file_height = on_its_side ? image->file_width : image->file_height;
    return turned;
  } catch (const std::bad_alloc&) {
    return LimitExceeded(where, "not enough memory to decode the picture");
  }
}

Result<Image> LoadImage(const std::string& path, const DecodeOptions& options) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxPictureBytes));
  return DecodeImage({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, options, path);
}

std::vector<std::pair<std::string, std::string>> SupportedFormats() {
  std::vector<std::pair<std::string, std::string>> formats = {
      {"JPEG", JpegLibrary()}, {"PNG", PngLibrary()}, {"WebP", WebpLibrary()}, {"GIF", GifLibrary()},
      {"TIFF", TiffLibrary()}, {"BMP", "built in"},   {"PNM", "built in"}};
  if (!HeifLibrary().empty()) formats.emplace_back("AVIF, HEIC", HeifLibrary());
  return formats;
}

}  // namespace diptych
