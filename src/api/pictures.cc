#include "api/pictures.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace diptych {
namespace {

PixelMode ModeOf(PixelFormat format) {
  switch (format) {
    case PixelFormat::kGray: return PixelMode::kL;
    case PixelFormat::kGrayAlpha: return PixelMode::kLa;
    case PixelFormat::kRgb: return PixelMode::kRgb;
    case PixelFormat::kRgba: return PixelMode::kRgba;
    case PixelFormat::kCmyk: return PixelMode::kCmyk;
    case PixelFormat::kBilevel: return PixelMode::k1;
    case PixelFormat::kPalette: return PixelMode::kP;
  }
  return PixelMode::kRgb;
}

Result<Image> ImageOf(const RawPicture& raw, const std::string& name) {
  constexpr int kMaxSide = 1 << 24;
  if (raw.width < 1 || raw.height < 1 || raw.width > kMaxSide || raw.height > kMaxSide) {
    return InvalidArgument(name, "is " + std::to_string(raw.width) + " x " + std::to_string(raw.height) + " pixels",
                           "a picture has at least one and sides up to 16,777,216");
  }
  Image image{.mode = ModeOf(raw.format), .width = raw.width, .height = raw.height};
  const size_t wanted =
      static_cast<size_t>(raw.width) * static_cast<size_t>(raw.height) * static_cast<size_t>(ChannelsOf(image.mode));
  if (raw.pixels.size() != wanted) {
    return InvalidArgument(name, "has " + std::to_string(raw.pixels.size()) + " bytes of pixels",
                           "its size and format ask for " + std::to_string(wanted));
  }
  image.pixels.assign(raw.pixels.begin(), raw.pixels.end());
  if (raw.hidden_color.size() == 3) {
    const auto byte = [&raw](size_t i) { return static_cast<uint8_t>(raw.hidden_color[i]); };
    image.transparent_color = {byte(0), byte(1), byte(2)};
  }
  if (image.mode != PixelMode::kP) return image;
  constexpr size_t kColors = 256;
  if (raw.palette.size() > 3 * kColors || raw.palette_alpha.size() > kColors) {
    return InvalidArgument(name, "has a palette of more than 256 colours");
  }
  image.palette.assign(raw.palette.begin(), raw.palette.end());
  image.palette.resize(3 * kColors);
  if (!raw.palette_alpha.empty()) {
    image.palette_alpha.assign(raw.palette_alpha.begin(), raw.palette_alpha.end());
    image.palette_alpha.resize(kColors, 255);
  }
  return image;
}

}  // namespace

PictureRef RefOf(const Picture& picture) {
  PictureRef ref{.name = picture.name()};
  if (picture.raw() != nullptr) {
    ref.decoded = [raw = picture.raw(), name = picture.name()] { return ImageOf(*raw, name); };
  } else if (picture.decoder() != nullptr) {
    ref.decoded = [decode = picture.decoder(), name = picture.name()]() -> Result<Image> {
      ASSIGN_OR_RETURN(const RawPicture raw, (*decode)());
      return ImageOf(raw, name);
    };
  } else if (picture.bytes() != nullptr) {
    ref.read = [bytes = picture.bytes()]() -> Result<std::string> { return *bytes; };
  } else {
    ref.path = picture.name();
  }
  return ref;
}

PictureSource SourceOf(const std::vector<Picture>& pictures) {
  return [&pictures, next = size_t{0}]() mutable -> std::optional<PictureRef> {
    if (next == pictures.size()) return std::nullopt;
    return RefOf(pictures[next++]);
  };
}

}  // namespace diptych
