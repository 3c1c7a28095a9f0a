// PNG by libspng, in the modes that Pillow gives: 1, L, I;16, LA, P, RGB, RGBA.
#include <spng.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "image/decoders.h"
#include "image/exif.h"

namespace diptych {
namespace {

using SpngContext = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

// Text, profiles and other chunks beside the picture may take this much after decompression.
constexpr size_t kMaxChunkBytes = size_t{1} << 20, kMaxChunkCache = size_t{64} << 20;

PixelMode ModeOf(const spng_ihdr& header) {
  switch (header.color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
      return header.bit_depth == 1 ? PixelMode::k1 : header.bit_depth == 16 ? PixelMode::kI16 : PixelMode::kL;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA: return header.bit_depth == 16 ? PixelMode::kRgba : PixelMode::kLa;
    case SPNG_COLOR_TYPE_INDEXED: return PixelMode::kP;
    case SPNG_COLOR_TYPE_TRUECOLOR: return PixelMode::kRgb;
    default: return PixelMode::kRgba;
  }
}

// One row as the file holds it -> one row of the mode. 16-bit colours lose their lower byte, 16-bit grey keeps it.
void UnpackRow(const spng_ihdr& header, const uint8_t* in, uint8_t* out) {
  const size_t width = header.width;
  if (header.bit_depth < 8) {
    const int depth = header.bit_depth, per_byte = 8 / depth, mask = (1 << depth) - 1;
    const int scale = header.color_type == SPNG_COLOR_TYPE_INDEXED ? 1 : 255 / mask;
    for (size_t x = 0; x < width; ++x) {
      const int shift = 8 - depth * (static_cast<int>(x % per_byte) + 1);
      out[x] = static_cast<uint8_t>((in[x / per_byte] >> shift & mask) * scale);
    }
  } else if (header.bit_depth == 16 && header.color_type == SPNG_COLOR_TYPE_GRAYSCALE) {
    for (size_t x = 0; x < width; ++x) {
      const uint16_t value = static_cast<uint16_t>(in[2 * x] << 8 | in[2 * x + 1]);
      std::memcpy(out + 2 * x, &value, sizeof(value));
    }
  } else if (header.bit_depth == 16 && header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA) {
    for (size_t x = 0; x < width; ++x) {
      out[4 * x] = out[4 * x + 1] = out[4 * x + 2] = in[4 * x];
      out[4 * x + 3] = in[4 * x + 2];
    }
  } else {
    const size_t samples = width * (header.color_type == SPNG_COLOR_TYPE_TRUECOLOR         ? 3
                                    : header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ? 4
                                    : header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ? 2
                                                                                           : 1);
    const size_t step = header.bit_depth / 8;
    for (size_t i = 0; i < samples; ++i) out[i] = in[i * step];
  }
}

void ReadTransparency(spng_ctx* context, Image* image) {
  spng_trns trns;
  if (spng_get_trns(context, &trns) != 0) return;
  const auto low = [](uint16_t value) { return static_cast<uint8_t>(value); };  // Pillow compares the lower byte
  switch (image->mode) {
    case PixelMode::kP:
      image->palette_alpha.assign(256, 255);
      std::copy(trns.type3_alpha, trns.type3_alpha + trns.n_type3_entries, image->palette_alpha.begin());
      break;
    case PixelMode::k1: {
      const uint8_t value = trns.gray != 0 ? 255 : 0;
      image->transparent_color = {value, value, value};
      break;
    }
    case PixelMode::kL: image->transparent_color = {low(trns.gray), low(trns.gray), low(trns.gray)}; break;
    case PixelMode::kRgb: image->transparent_color = {low(trns.red), low(trns.green), low(trns.blue)}; break;
    default: break;
  }
}

void ReadPalette(spng_ctx* context, Image* image) {
  spng_plte plte = {};
  uint8_t rgb[256 * 3];
  if (spng_get_plte(context, &plte) != 0) plte.n_entries = 0;
  for (uint32_t i = 0; i < plte.n_entries; ++i) {
    rgb[3 * i] = plte.entries[i].red;
    rgb[3 * i + 1] = plte.entries[i].green;
    rgb[3 * i + 2] = plte.entries[i].blue;
  }
  SetPalette(rgb, plte.n_entries, image);
}

// 0 or libspng's error.
int ReadRows(spng_ctx* context, const spng_ihdr& header, Image* image) {
  size_t packed_bytes = 0;
  int error = spng_decoded_image_size(context, SPNG_FMT_RAW, &packed_bytes);
  if (error == 0) error = spng_decode_image(context, nullptr, 0, SPNG_FMT_RAW, SPNG_DECODE_PROGRESSIVE);
  if (error != 0) return error;
  const size_t row_bytes = packed_bytes / header.height;
  const size_t stride = static_cast<size_t>(header.width) * ChannelsOf(image->mode);
  // An interlaced picture passes over a row several times, and each time libspng needs what is already there.
  const bool is_interlaced = header.interlace_method != 0;
  std::vector<uint8_t> packed(is_interlaced ? packed_bytes : row_bytes);
  spng_row_info row;
  while ((error = spng_get_row_info(context, &row)) == 0) {
    uint8_t* in = packed.data() + (is_interlaced ? row.row_num * row_bytes : 0);
    error = spng_decode_row(context, in, row_bytes);
    if (error != 0 && error != SPNG_EOI) break;
    if (!is_interlaced) UnpackRow(header, in, &image->pixels[row.row_num * stride]);
    if (error == SPNG_EOI) break;
  }
  for (uint32_t y = 0; is_interlaced && y < header.height; ++y) {
    UnpackRow(header, &packed[y * row_bytes], &image->pixels[y * stride]);
  }
  return error == SPNG_EOI ? 0 : error;
}

// libspng gives nothing of a data chunk that the file does not hold whole. So the chunk's length is set to what there
// is of it; a made-up checksum follows, which nobody compares.
std::vector<uint8_t> WithShortenedChunk(ByteSpan bytes) {
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  size_t at = 8;
  while (at + 8 <= bytes.size()) {
    const uint64_t length = uint64_t{bytes[at]} << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    const uint64_t left = bytes.size() - at - 8;
    if (length + 4 > left) {
      const uint64_t present = std::min(length, left);
      for (int i = 0; i < 4; ++i) copy[at + i] = static_cast<uint8_t>(present >> (24 - 8 * i));
      copy.resize(at + 8 + present + 4);
      break;
    }
    at += 12 + length;
  }
  return copy;
}

}  // namespace

Result<Image> DecodePng(const DecodeRequest& request) {
  SpngContext context(spng_ctx_new(0), spng_ctx_free);
  if (context == nullptr) return LimitExceeded(request.where, "no memory for a PNG decoder");
  std::vector<uint8_t> shortened;
  if (request.options.allow_truncated) shortened = WithShortenedChunk(request.bytes);
  const ByteSpan bytes = request.options.allow_truncated ? ByteSpan(shortened) : request.bytes;
  spng_set_png_buffer(context.get(), bytes.data(), bytes.size());
  spng_set_chunk_limits(context.get(), kMaxChunkBytes, kMaxChunkCache);
  // Checksums are compared as in Pillow: those of the chunks before the picture's data, not the data's own, whose
  // damage shows in the compressed stream itself.
  const int beside = request.options.allow_truncated ? SPNG_CRC_USE : SPNG_CRC_ERROR;
  spng_set_crc_action(context.get(), SPNG_CRC_ERROR, beside);
  const auto failure = [&](int error) {
    const bool is_cut_off = error == SPNG_EOF || error == SPNG_IO_EOF || error == SPNG_EIDAT_TOO_SHORT;
    return is_cut_off ? CutOff(request) : Damaged(request, "PNG", spng_strerror(error));
  };
  spng_ihdr header;
  if (const int error = spng_get_ihdr(context.get(), &header); error != 0) return failure(error);
  RETURN_IF_ERROR(CheckDimensions(request, header.width, header.height));
  if (const int error = spng_decode_chunks(context.get()); error != 0) return failure(error);
  spng_set_crc_action(context.get(), SPNG_CRC_USE, SPNG_CRC_USE);

  Image image = NewImage(ModeOf(header), header.width, header.height);
  const int error = ReadRows(context.get(), header, &image);
  if (error != 0 && !request.options.allow_truncated) return failure(error);
  if (image.mode == PixelMode::kP) ReadPalette(context.get(), &image);
  ReadTransparency(context.get(), &image);
  spng_exif exif;
  if (spng_get_exif(context.get(), &exif) == 0) {
    image.exif_orientation = ExifOrientation({reinterpret_cast<const uint8_t*>(exif.data), exif.length});
  }
  return image;
}

std::string PngLibrary() {
  return std::string("libspng ") + spng_version_string();
}

}  // namespace diptych
