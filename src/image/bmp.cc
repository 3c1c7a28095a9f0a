// BMP, of our own; the rules are Pillow's BmpImagePlugin.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "image/decoders.h"

namespace diptych {
namespace {

enum Compression : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

// Byte positions of R, G, B and A in a 32-bit pixel; -1: no alpha.
using ByteOrder = std::array<int, 4>;

struct Header {
  uint32_t size = 0, bits = 0, compression = kRaw, colors = 0;
  int64_t width = 0, height = 0;
  bool is_top_down = false, is_565 = false;
  size_t palette_entry = 4, offset = 0;
  ByteOrder order{2, 1, 0, -1};
};

class Reader {
 public:
  explicit Reader(ByteSpan bytes) : bytes_(bytes) {}
  bool Has(size_t at, size_t size) const { return at <= bytes_.size() && size <= bytes_.size() - at; }
  uint32_t U16(size_t at) const { return bytes_[at] | bytes_[at + 1] << 8; }
  uint32_t U32(size_t at) const { return U16(at) | U16(at + 2) << 16; }

 private:
  ByteSpan bytes_;
};

// The layouts of 32-bit masks that Pillow knows.
std::optional<ByteOrder> OrderOf(const std::array<uint32_t, 4>& masks) {
  static constexpr struct {
    std::array<uint32_t, 4> masks;
    ByteOrder order;
  } kKnown[] = {
      {{0xff0000, 0xff00, 0xff, 0}, {2, 1, 0, -1}},         {{0xff000000, 0xff0000, 0xff00, 0}, {3, 2, 1, -1}},
      {{0xff000000, 0xff00, 0xff, 0}, {3, 1, 0, -1}},       {{0xff000000, 0xff0000, 0xff00, 0xff}, {3, 2, 1, 0}},
      {{0xff, 0xff00, 0xff0000, 0xff000000}, {0, 1, 2, 3}}, {{0xff0000, 0xff00, 0xff, 0xff000000}, {2, 1, 0, 3}},
      {{0xff000000, 0xff00, 0xff, 0xff0000}, {3, 1, 0, 2}}, {{0, 0, 0, 0}, {2, 1, 0, 3}}};
  for (const auto& known : kKnown) {
    if (known.masks == masks) return known.order;
  }
  return std::nullopt;
}

bool ReadMasks(const Reader& reader, Header* header) {
  // They follow a 40-byte header, and are part of a longer one, at the same place; the fourth is there from 56 bytes.
  constexpr size_t kMasksAt = 54;
  if (!reader.Has(kMasksAt, 16)) return false;
  std::array<uint32_t, 4> masks;
  for (size_t i = 0; i < 4; ++i) masks[i] = i < 3 || header->size >= 56 ? reader.U32(kMasksAt + 4 * i) : 0;
  if (header->bits == 32) {
    const auto order = OrderOf(masks);
    header->order = order.value_or(header->order);
    return order.has_value();
  }
  const std::array<uint32_t, 3> rgb = {masks[0], masks[1], masks[2]};
  if (header->bits == 24) return rgb == std::array<uint32_t, 3>{0xff0000, 0xff00, 0xff};
  header->is_565 = rgb == std::array<uint32_t, 3>{0xf800, 0x7e0, 0x1f};
  return header->bits == 16 && (header->is_565 || rgb == std::array<uint32_t, 3>{0x7c00, 0x3e0, 0x1f});
}

Status ReadHeader(const DecodeRequest& request, Header* header) {
  const Reader reader(request.bytes);
  if (!reader.Has(0, 26)) return CutOff(request);
  header->offset = reader.U32(10);
  header->size = reader.U32(14);
  if (header->size == 12) {
    header->width = reader.U16(18);
    header->height = reader.U16(20);
    header->bits = reader.U16(24);
    header->palette_entry = 3;
  } else {
    static constexpr uint32_t kSizes[] = {40, 52, 56, 64, 108, 124};
    if (std::find(std::begin(kSizes), std::end(kSizes), header->size) == std::end(kSizes)) {
      return Unsupported(request.where, fmt::format("a BMP header of {} bytes", header->size), "save it as PNG");
    }
    if (!reader.Has(14, header->size)) return CutOff(request);
    header->is_top_down = request.bytes[25] == 0xff;
    header->width = reader.U32(18);
    header->height = header->is_top_down ? (int64_t{1} << 32) - reader.U32(22) : int64_t{reader.U32(22)};
    header->bits = reader.U16(28);
    header->compression = reader.U32(30);
    header->colors = reader.U32(46);
  }
  static constexpr uint32_t kDepths[] = {1, 4, 8, 16, 24, 32};
  const bool is_known_depth = std::find(std::begin(kDepths), std::end(kDepths), header->bits) != std::end(kDepths);
  const bool is_rle = header->compression == kRle8 || header->compression == kRle4;
  if (!is_known_depth || header->compression > kBitFields || (is_rle && header->bits > 8) ||
      (header->compression == kBitFields && !ReadMasks(reader, header))) {
    return Unsupported(request.where,
                       fmt::format("a BMP of {} bits a pixel, compression {}", header->bits, header->compression),
                       "save it as PNG");
  }
  if (header->colors == 0) header->colors = header->bits <= 8 ? 1u << header->bits : 0;
  return Status::Ok();
}

// The mode of an indexed picture: a palette that is a grey ramp is dropped.
Status ReadPalette(const DecodeRequest& request, Header* header, Image* image) {
  const size_t at = 14 + size_t{header->size}, entry = header->palette_entry;
  if (header->colors > 65536) return Damaged(request, "BMP", fmt::format("a palette of {} colours", header->colors));
  if (!Reader(request.bytes).Has(at, entry * header->colors)) return CutOff(request);
  if (header->offset == at || header->offset == 0) header->offset = at + entry * header->colors;
  const uint8_t* colors = request.bytes.data() + at;
  bool is_grey = true;
  std::vector<uint8_t> rgb;
  for (size_t i = 0; i < header->colors; ++i) {
    const uint8_t* bgr = colors + i * entry;
    const size_t grey = header->colors == 2 ? i * 255 : i;
    is_grey = is_grey && bgr[0] == grey && bgr[1] == grey && bgr[2] == grey;
    if (i < 256) rgb.insert(rgb.end(), {bgr[2], bgr[1], bgr[0]});
  }
  if (!is_grey) {
    image->mode = PixelMode::kP;
    SetPalette(rgb.data(), rgb.size() / 3, image);
  } else {
    image->mode = header->colors <= 2 ? PixelMode::k1 : PixelMode::kL;
  }
  return Status::Ok();
}

void UnpackRow(const Header& header, PixelMode mode, const uint8_t* in, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x) {
    if (header.bits <= 8) {
      const int bits = static_cast<int>(header.bits), per_byte = 8 / bits;
      const int index = in[x / per_byte] >> (8 - bits * (x % per_byte + 1)) & ((1 << bits) - 1);
      out[x] = static_cast<uint8_t>(mode == PixelMode::k1 && index != 0 ? 255 : index);
    } else if (header.bits == 16) {
      const int pixel = in[2 * x] | in[2 * x + 1] << 8, green_bits = header.is_565 ? 6 : 5;
      const int green_max = (1 << green_bits) - 1;
      out[3 * x] = static_cast<uint8_t>((pixel >> (5 + green_bits) & 31) * 255 / 31);
      out[3 * x + 1] = static_cast<uint8_t>((pixel >> 5 & green_max) * 255 / green_max);
      out[3 * x + 2] = static_cast<uint8_t>((pixel & 31) * 255 / 31);
    } else {
      const int channels = mode == PixelMode::kRgba ? 4 : 3;
      const uint8_t* pixel = in + x * (header.bits / 8);
      for (int c = 0; c < channels; ++c) out[channels * x + c] = pixel[header.order[c]];
    }
  }
}

// Indices in file order, bottom row first. `done` counts what the data give, skipped pixels included.
size_t DecodeRle(const Header& header, ByteSpan bytes, std::vector<uint8_t>* indices) {
  const size_t width = header.width, total = indices->size();
  const bool is_rle4 = header.compression == kRle4;
  size_t done = 0, x = 0, at = header.offset;
  const auto put = [&](int value) {
    if (done < total) (*indices)[done++] = static_cast<uint8_t>(value);
  };
  while (done < total && at + 2 <= bytes.size()) {
    const size_t count = bytes[at], value = bytes[at + 1];
    at += 2;
    if (count > 0) {
      const size_t run = std::min(count, width - std::min(x, width));
      for (size_t i = 0; i < run; ++i) put(!is_rle4 ? value : i % 2 == 0 ? value >> 4 : value & 15);
      x += run;
    } else if (value == 0) {
      done = std::min((done + width - 1) / width * width, total);
      x = 0;
    } else if (value == 1) {
      break;
    } else if (value == 2) {
      if (at + 2 > bytes.size()) break;
      done = std::min(done + bytes[at] + bytes[at + 1] * width, total);
      x = done % width;
      at += 2;
    } else {
      const size_t pixels = std::min(total - done, value), needed = is_rle4 ? (pixels + 1) / 2 : pixels;
      if (needed > bytes.size() - at) break;
      for (size_t i = 0; i < pixels; ++i) {
        put(!is_rle4 ? bytes[at + i] : i % 2 == 0 ? bytes[at + i / 2] >> 4 : bytes[at + i / 2] & 15);
      }
      x += value;
      at += needed;
      at += at % 2;
    }
  }
  return done;
}

}  // namespace

Result<Image> DecodeBmp(const DecodeRequest& request) {
  Header header;
  RETURN_IF_ERROR(ReadHeader(request, &header));
  RETURN_IF_ERROR(CheckDimensions(request, header.width, header.height));
  Image described;
  described.mode = header.order[3] >= 0 && header.bits == 32 ? PixelMode::kRgba : PixelMode::kRgb;
  if (header.bits <= 8) RETURN_IF_ERROR(ReadPalette(request, &header, &described));
  if (header.offset == 0)
    header.offset = 14 + header.size + (header.compression == kBitFields && header.size == 40 ? 12 : 0);

  Image image = NewImage(described.mode, header.width, header.height);
  image.palette = std::move(described.palette);
  const bool is_rle = header.compression == kRle8 || header.compression == kRle4;
  std::vector<uint8_t> indices;
  ByteSpan data;
  size_t in_stride = (static_cast<size_t>(header.width) * header.bits + 31) / 32 * 4;
  if (is_rle) {
    indices.resize(image.pixels.size());
    const size_t done = DecodeRle(header, request.bytes, &indices);
    header.bits = 8;
    in_stride = header.width;
    data = {indices.data(), done};
  } else if (header.offset < request.bytes.size()) {
    data = request.bytes.subspan(header.offset);
  }
  const size_t row_bytes = (static_cast<size_t>(header.width) * header.bits + 7) / 8;  // the last row may lack padding
  const size_t out_stride = static_cast<size_t>(header.width) * ChannelsOf(image.mode);
  for (int y = 0; y < image.height; ++y) {
    if (data.size() < row_bytes) {
      if (!request.options.allow_truncated) return CutOff(request);
      break;
    }
    const size_t out_y = header.is_top_down ? y : image.height - 1 - y;
    UnpackRow(header, image.mode, data.data(), image.width, &image.pixels[out_y * out_stride]);
    data = data.subspan(std::min(in_stride, data.size()));
  }
  return image;
}

}  // namespace diptych
