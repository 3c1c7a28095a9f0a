// The first frame of a GIF by giflib, as Pillow opens it: mode P, or L where the palette is the grey ramp.
#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "image/decoders.h"

namespace diptych {
namespace {

struct Source {
  ByteSpan bytes;
  size_t at = 0;
  bool is_cut_off = false;
};

int Read(GifFileType* file, GifByteType* out, int count) {
  Source& source = *static_cast<Source*>(file->UserData);
  const size_t available = std::min<size_t>(count, source.bytes.size() - source.at);
  if (available < static_cast<size_t>(count)) source.is_cut_off = true;
  std::memcpy(out, source.bytes.data() + source.at, available);
  source.at += available;
  return static_cast<int>(available);
}

struct Closer {
  void operator()(GifFileType* file) const { DGifCloseFile(file, nullptr); }
};
using GifFile = std::unique_ptr<GifFileType, Closer>;

// Skips to the first frame's description; the transparent colour that a graphic control before it names.
bool FindFrame(GifFileType* file, std::optional<int>* transparent) {
  GifRecordType type;
  while (DGifGetRecordType(file, &type) == GIF_OK) {
    if (type == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(file) == GIF_OK;
    if (type != EXTENSION_RECORD_TYPE) return false;
    int code;
    GifByteType* block;
    if (DGifGetExtension(file, &code, &block) != GIF_OK) return false;
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4 && (block[1] & 1) != 0) {
      *transparent = block[4];
    }
    while (block != nullptr) {
      if (DGifGetExtensionNext(file, &block) != GIF_OK) return false;
    }
  }
  return false;
}

bool IsGreyRamp(const ColorMapObject& map) {
  for (int i = 0; i < map.ColorCount; ++i) {
    const GifColorType& color = map.Colors[i];
    if (color.Red != i || color.Green != i || color.Blue != i) return false;
  }
  return true;
}

// False where the data end or make no sense; rows before that are in the picture.
bool ReadRows(GifFileType* file, Image* image) {
  static constexpr int kStarts[4] = {0, 4, 2, 1}, kSteps[4] = {8, 8, 4, 2};
  const GifImageDesc& frame = file->Image;
  const bool is_interlaced = frame.Interlace;
  for (int pass = 0; pass < (is_interlaced ? 4 : 1); ++pass) {
    const int step = is_interlaced ? kSteps[pass] : 1;
    for (int y = is_interlaced ? kStarts[pass] : 0; y < frame.Height; y += step) {
      uint8_t* row = &image->pixels[static_cast<size_t>(frame.Top + y) * image->width + frame.Left];
      if (DGifGetLine(file, row, frame.Width) != GIF_OK) return false;
    }
  }
  return true;
}

}  // namespace

Result<Image> DecodeGif(const DecodeRequest& request) {
  Source source{request.bytes};
  int error = 0;
  const GifFile file(DGifOpen(&source, Read, &error));
  const auto failure = [&] {
    const char* reason = GifErrorString(file == nullptr ? error : file->Error);
    return source.is_cut_off ? CutOff(request) : Damaged(request, "GIF", reason != nullptr ? reason : "no frame in it");
  };
  if (file == nullptr) return failure();
  std::optional<int> transparent;
  if (!FindFrame(file.get(), &transparent)) return failure();
  const GifImageDesc& frame = file->Image;
  const int width = std::max(file->SWidth, frame.Left + frame.Width);
  const int height = std::max(file->SHeight, frame.Top + frame.Height);
  RETURN_IF_ERROR(CheckDimensions(request, width, height));
  RETURN_IF_ERROR(CheckDimensions(request, frame.Width, frame.Height));

  const ColorMapObject* map = frame.ColorMap != nullptr ? frame.ColorMap : file->SColorMap;
  const bool has_palette = map != nullptr && !IsGreyRamp(*map);
  Image image = NewImage(has_palette ? PixelMode::kP : PixelMode::kL, width, height);
  if (transparent) std::fill(image.pixels.begin(), image.pixels.end(), static_cast<uint8_t>(*transparent));
  if (!ReadRows(file.get(), &image) && !request.options.allow_truncated) return failure();
  if (has_palette) {
    std::vector<uint8_t> rgb;
    for (int i = 0; i < map->ColorCount; ++i) {
      rgb.insert(rgb.end(), {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue});
    }
    SetPalette(rgb.data(), map->ColorCount, &image);
    if (transparent) {
      image.palette_alpha.assign(256, 255);
      image.palette_alpha[*transparent] = 0;
    }
  } else if (transparent) {
    const uint8_t value = static_cast<uint8_t>(*transparent);
    image.transparent_color = {value, value, value};
  }
  return image;
}

std::string GifLibrary() {
  return "giflib " + std::to_string(GIFLIB_MAJOR) + "." + std::to_string(GIFLIB_MINOR) + "." +
         std::to_string(GIFLIB_RELEASE);
}

}  // namespace diptych
