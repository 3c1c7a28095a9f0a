// The first page of a TIFF by libtiff, in the modes of Pillow's TiffImagePlugin; its orientation is applied, as there.
#include <fmt/format.h>
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <optional>

#include "image/decoders.h"
#include "image/resize.h"

namespace diptych {
namespace {

// A strip or tile is decompressed whole. One that is many times larger than the picture is an attack.
constexpr uint64_t kMinBlockLimit = uint64_t{1} << 24;
constexpr uint64_t kMaxLibraryAllocation = uint64_t{1} << 30;

struct Source {
  ByteSpan bytes;
  uint64_t at = 0;
  std::string message;
};

Source& Of(thandle_t handle) {
  return *static_cast<Source*>(handle);
}

tmsize_t ReadSource(thandle_t handle, void* out, tmsize_t size) {
  Source& source = Of(handle);
  const uint64_t left = source.at < source.bytes.size() ? source.bytes.size() - source.at : 0;
  const size_t count = std::min<uint64_t>(left, size);
  if (count > 0) std::memcpy(out, source.bytes.data() + source.at, count);
  source.at += count;
  return static_cast<tmsize_t>(count);
}

toff_t SeekSource(thandle_t handle, toff_t offset, int whence) {
  Source& source = Of(handle);
  const uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? source.at : source.bytes.size();
  return source.at = base + offset;
}

int KeepMessage(TIFF*, void* data, const char*, const char* format, va_list arguments) {
  char text[256];
  std::vsnprintf(text, sizeof(text), format, arguments);
  std::string& message = static_cast<Source*>(data)->message;
  if (message.empty()) message = text;
  return 1;  // nothing is printed
}

int DropMessage(TIFF*, void*, const char*, const char*, va_list) {
  return 1;
}

struct Closer {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using TiffFile = std::unique_ptr<TIFF, Closer>;

TiffFile Open(Source* source) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  if (options == nullptr) return nullptr;
  TIFFOpenOptionsSetErrorHandlerExtR(options, KeepMessage, source);
  TIFFOpenOptionsSetWarningHandlerExtR(options, DropMessage, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, kMaxLibraryAllocation);
  const auto no_write = [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; };
  const auto no_close = [](thandle_t) { return 0; };
  const auto size = [](thandle_t handle) -> toff_t { return Of(handle).bytes.size(); };
  const auto map = [](thandle_t handle, void** base, toff_t* size) {
    *base = const_cast<uint8_t*>(Of(handle).bytes.data());
    *size = Of(handle).bytes.size();
    return 1;
  };
  TiffFile file(TIFFClientOpenExt(
      "", "r", source, ReadSource, no_write, SeekSource, no_close, size, map, [](thandle_t, void*, toff_t) {},
      options));
  TIFFOpenOptionsFree(options);
  return file;
}

struct Layout {
  uint32_t width = 0, height = 0;
  uint16_t bits = 1, samples = 1, photometric = 0, planar = PLANARCONFIG_CONTIG, format = SAMPLEFORMAT_UINT;
  uint16_t compression = COMPRESSION_NONE, orientation = ORIENTATION_TOPLEFT;
  uint16_t extra_count = 0, extra = 0;  // the kind of the first extra sample
  int colors = 1;                       // samples that are used, alpha not among them
  bool has_alpha = false;
};

Layout ReadLayout(TIFF* tiff) {
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout.compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &layout.orientation);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric);
  uint16_t* extra = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &layout.extra_count, &extra) && layout.extra_count > 0) {
    layout.extra = extra[0];
  }
  return layout;
}

// The mode of a layout, or nullopt.
std::optional<PixelMode> ModeOf(Layout* layout) {
  const bool is_byte = layout->bits == 8, is_small = layout->bits == 1 || layout->bits == 2 || layout->bits == 4;
  const bool is_wide = layout->bits == 16, is_integer = layout->format == SAMPLEFORMAT_UINT;
  switch (layout->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      if (layout->samples == 1 && layout->bits == 1 && is_integer) return PixelMode::k1;
      if (layout->samples == 1 && is_wide) return is_integer ? PixelMode::kI16 : PixelMode::kI;
      if (layout->samples == 1 && (is_byte || (is_small && is_integer))) return PixelMode::kL;
      if (layout->samples != 2 || !is_byte || !is_integer) return std::nullopt;
      if (layout->extra == EXTRASAMPLE_ASSOCALPHA) return std::nullopt;
      layout->has_alpha = layout->extra == EXTRASAMPLE_UNASSALPHA;
      return layout->has_alpha ? PixelMode::kLa : PixelMode::kL;
    case PHOTOMETRIC_RGB:
      layout->colors = 3;
      layout->has_alpha = layout->samples > 3 && (layout->extra_count == 0 || layout->extra != 0);
      if (layout->samples < 3 || !is_integer || !(is_byte || is_wide)) return std::nullopt;
      return layout->has_alpha ? PixelMode::kRgba : PixelMode::kRgb;
    case PHOTOMETRIC_PALETTE:
      return layout->samples == 1 && is_integer && (is_byte || is_small) ? std::optional(PixelMode::kP) : std::nullopt;
    case PHOTOMETRIC_SEPARATED:
      layout->colors = 4;
      return layout->samples >= 4 && is_integer && (is_byte || is_wide) ? std::optional(PixelMode::kCmyk)
                                                                        : std::nullopt;
    case PHOTOMETRIC_YCBCR:
      layout->colors = 3;
      return layout->samples == 3 && is_byte ? std::optional(PixelMode::kRgb) : std::nullopt;
    default: return std::nullopt;
  }
}

// `width` pixels, `stride` samples apart in `in`, samples [first, first + count) of each, to channels of `out`.
struct RowPart {
  int width, in_samples, first_channel, count;
};

void UnpackRow(const Layout& layout, const Image& image, const uint8_t* in, const RowPart& part, uint8_t* out) {
  const int channels = ChannelsOf(image.mode);
  const uint8_t flip = layout.photometric == PHOTOMETRIC_MINISWHITE ? 0xff : 0;
  if (layout.bits < 8) {
    const int bits = layout.bits, per_byte = 8 / bits, mask = (1 << bits) - 1;
    const int scale = image.mode == PixelMode::kP ? 1 : 255 / mask;
    for (int x = 0; x < part.width; ++x) {
      out[x] = static_cast<uint8_t>((in[x / per_byte] >> (8 - bits * (x % per_byte + 1)) & mask) * scale ^ flip);
    }
    return;
  }
  for (int x = 0; x < part.width; ++x, out += channels) {
    if (image.mode == PixelMode::kI16) {
      std::memcpy(out, in + 2 * x, 2);
    } else if (image.mode == PixelMode::kI) {
      int16_t sample;
      std::memcpy(&sample, in + 2 * x, 2);
      const int32_t wide = sample;
      std::memcpy(out, &wide, 4);
    } else if (layout.bits == 16) {
      for (int c = 0; c < part.count; ++c) {
        uint16_t sample;
        std::memcpy(&sample, in + 2 * (static_cast<size_t>(x) * part.in_samples + c), 2);
        out[part.first_channel + c] = static_cast<uint8_t>(sample >> 8);
      }
    } else {
      for (int c = 0; c < part.count; ++c) {
        out[part.first_channel + c] = in[static_cast<size_t>(x) * part.in_samples + c] ^ flip;
      }
    }
  }
}

struct Block {
  uint32_t index, x, y, width, height, row_pixels;
  int plane;
};

void UnpackBlock(const Layout& layout, const Block& block, const std::vector<uint8_t>& data, Image* image) {
  const bool is_separate = layout.planar == PLANARCONFIG_SEPARATE && layout.samples > 1;
  const int channels = ChannelsOf(image->mode), used = layout.colors + layout.has_alpha;
  const RowPart part{static_cast<int>(block.width), is_separate ? 1 : layout.samples, is_separate ? block.plane : 0,
                     is_separate ? 1 : used};
  const size_t row_bytes = (static_cast<size_t>(block.row_pixels) * part.in_samples * layout.bits + 7) / 8;
  for (uint32_t y = 0; y < block.height; ++y) {
    if ((y + 1) * row_bytes > data.size()) return;
    uint8_t* out = &image->pixels[(static_cast<size_t>(block.y + y) * image->width + block.x) * channels];
    UnpackRow(layout, *image, &data[y * row_bytes], part, out);
  }
}

// Strips are tiles as wide as the picture. False where one does not decode; the others are still read.
bool ReadBlocks(TIFF* tiff, const Layout& layout, Image* image) {
  const bool is_tiled = TIFFIsTiled(tiff) != 0;
  uint32_t block_width = layout.width, block_height = layout.height;
  if (is_tiled) {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &block_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &block_height);
  } else {
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &block_height);
    block_height = std::min(block_height, layout.height);
  }
  const uint64_t block_bytes = is_tiled ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff);
  if (block_width == 0 || block_height == 0 || block_bytes == 0) return false;
  if (block_bytes > std::max<uint64_t>(kMinBlockLimit, 16 * uint64_t{image->pixels.size()})) return false;
  const int used = layout.colors + layout.has_alpha;
  const int planes = layout.planar == PLANARCONFIG_SEPARATE && layout.samples > 1 ? used : 1;
  std::vector<uint8_t> data(block_bytes);
  bool is_whole = true;
  for (int plane = 0; plane < planes; ++plane) {
    for (uint64_t y = 0; y < layout.height; y += block_height) {
      for (uint64_t x = 0; x < layout.width; x += block_width) {
        Block block{0, static_cast<uint32_t>(x), static_cast<uint32_t>(y)};
        block.width = static_cast<uint32_t>(std::min<uint64_t>(block_width, layout.width - x));
        block.height = static_cast<uint32_t>(std::min<uint64_t>(block_height, layout.height - y));
        block.row_pixels = block_width;
        block.plane = plane;
        std::fill(data.begin(), data.end(), 0);
        const tmsize_t size = static_cast<tmsize_t>(data.size());
        const tmsize_t got =
            is_tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, block.x, block.y, 0, plane), data.data(), size)
                     : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, block.y, plane), data.data(), size);
        if (got < 0) return false;
        UnpackBlock(layout, block, data, image);
      }
    }
  }
  return is_whole;
}

// Associated alpha is divided out, as Pillow's RGBa unpackers do.
void Unassociate(Image* image) {
  for (size_t i = 0; i < image->pixels.size(); i += 4) {
    uint8_t* p = &image->pixels[i];
    const int alpha = p[3];
    for (int c = 0; c < 3 && alpha != 255; ++c) {
      p[c] = alpha == 0 ? 0 : static_cast<uint8_t>(std::min(p[c] * 255 / alpha, 255));
    }
    if (alpha == 0) p[3] = 0;
  }
}

// YCbCr that no codec converts: by libtiff's own RGBA reader, as Pillow does.
bool ReadAsRgba(TIFF* tiff, const Layout& layout, Image* image) {
  std::vector<uint32_t> raster(static_cast<size_t>(layout.width) * layout.height);
  if (!TIFFReadRGBAImageOriented(tiff, layout.width, layout.height, raster.data(), layout.orientation, 1)) return false;
  for (size_t i = 0; i < raster.size(); ++i) {
    image->pixels[3 * i] = static_cast<uint8_t>(TIFFGetR(raster[i]));
    image->pixels[3 * i + 1] = static_cast<uint8_t>(TIFFGetG(raster[i]));
    image->pixels[3 * i + 2] = static_cast<uint8_t>(TIFFGetB(raster[i]));
  }
  return true;
}

bool ReadPalette(TIFF* tiff, const Layout& layout, Image* image) {
  uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_COLORMAP, &red, &green, &blue) == 0) return false;
  std::vector<uint8_t> rgb;
  for (int i = 0; i < 1 << layout.bits; ++i) {
    for (const uint16_t* channel : {red, green, blue}) rgb.push_back(static_cast<uint8_t>(channel[i] / 256));
  }
  SetPalette(rgb.data(), rgb.size() / 3, image);
  return true;
}

}  // namespace

Result<Image> DecodeTiff(const DecodeRequest& request) {
  Source source{request.bytes};
  const TiffFile tiff = Open(&source);
  if (tiff == nullptr) return Damaged(request, "TIFF", source.message);
  Layout layout = ReadLayout(tiff.get());
  RETURN_IF_ERROR(CheckDimensions(request, layout.width, layout.height));
  const std::optional<PixelMode> mode = ModeOf(&layout);
  if (!mode || TIFFIsCODECConfigured(layout.compression) == 0) {
    return Unsupported(request.where,
                       fmt::format("a TIFF of {} samples of {} bits, photometric {}, compression {}", layout.samples,
                                   layout.bits, layout.photometric, layout.compression),
                       "save it as PNG");
  }
  Image image = NewImage(*mode, layout.width, layout.height);
  const bool is_jpeg_ycbcr = layout.photometric == PHOTOMETRIC_YCBCR && layout.compression == COMPRESSION_JPEG &&
                             layout.planar == PLANARCONFIG_CONTIG;
  if (is_jpeg_ycbcr) TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  const bool is_read = layout.photometric == PHOTOMETRIC_YCBCR && !is_jpeg_ycbcr
                           ? ReadAsRgba(tiff.get(), layout, &image)
                           : ReadBlocks(tiff.get(), layout, &image);
  if (!is_read && !request.options.allow_truncated) {
    return Damaged(request, "TIFF", source.message.empty() ? "its parts do not decode" : source.message);
  }
  if (*mode == PixelMode::kP && !ReadPalette(tiff.get(), layout, &image)) {
    return Damaged(request, "TIFF", "a palette picture without a palette");
  }
  if (layout.has_alpha && layout.extra == EXTRASAMPLE_ASSOCALPHA && layout.extra_count > 0) Unassociate(&image);
  image.exif_orientation = layout.orientation;
  image = ApplyExifOrientation(image);
  image.exif_orientation = 1;
  return image;
}

std::string TiffLibrary() {
  const std::string version = TIFFGetVersion();  // "LIBTIFF, Version 4.5.0\n..."
  const size_t begin = version.find("Version ");
  return "libtiff" + (begin == std::string::npos ? "" : version.substr(begin + 7, version.find('\n') - begin - 7));
}

}  // namespace diptych
