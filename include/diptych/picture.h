// A picture to look at: a file, the bytes of one, or pixels that somebody else has decoded or will decode.
#ifndef DIPTYCH_PICTURE_H_
#define DIPTYCH_PICTURE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "diptych/status.h"

namespace diptych {

/// Interleaved samples, rows from the top without gaps. The modes are Pillow's: they decide how a picture is resized
/// and made RGB, where the model's reference does that in a mode's own way.
enum class PixelFormat : uint8_t {
  kGray,       // L
  kGrayAlpha,  // LA
  kRgb,
  kRgba,
  kCmyk,     // 255 = full ink
  kBilevel,  // 1: a byte a pixel, 0 or 255
  kPalette,  // P: a byte a pixel, an index
};

struct RawPicture {
  PixelFormat format = PixelFormat::kRgb;
  int width = 0, height = 0;
  std::string pixels;         // width * height * samples of the format
  std::string palette;        // kPalette: up to 256 RGB triples
  std::string palette_alpha;  // kPalette with transparent colours: up to 256 values
  std::string hidden_color;   // kGray, kBilevel, kRgb: the RGB triple that stands for transparent, if one does
};

/// Gives a picture's pixels when they are wanted. Called by threads of the library, several pictures' at once, while
/// others are computed; may not throw.
using PictureDecoder = std::function<Result<RawPicture>()>;

/// Cheap to copy: copies share bytes and pixels. Implicit, so that a path stands for itself.
class Picture {
 public:
  Picture(std::string path) : name_(std::move(path)) {}  // NOLINT
  Picture(const char* path) : name_(path) {}             // NOLINT
  /// An encoded picture (JPEG, PNG, ...) in memory; `name` is for messages and results.
  static Picture FromBytes(std::string bytes, std::string name = "picture") {
    Picture picture(std::move(name));
    picture.bytes_ = std::make_shared<const std::string>(std::move(bytes));
    return picture;
  }
  static Picture FromPixels(RawPicture raw, std::string name = "picture") {
    Picture picture(std::move(name));
    picture.raw_ = std::make_shared<const RawPicture>(std::move(raw));
    return picture;
  }
  static Picture FromDecoder(PictureDecoder decoder, std::string name = "picture") {
    Picture picture(std::move(name));
    picture.decoder_ = std::make_shared<const PictureDecoder>(std::move(decoder));
    return picture;
  }

  const std::string& name() const { return name_; }
  const std::shared_ptr<const std::string>& bytes() const { return bytes_; }  // null: not encoded bytes
  const std::shared_ptr<const RawPicture>& raw() const { return raw_; }       // null: not pixels
  const std::shared_ptr<const PictureDecoder>& decoder() const { return decoder_; }  // all three null: a file

 private:
  std::string name_;
  std::shared_ptr<const std::string> bytes_;
  std::shared_ptr<const RawPicture> raw_;
  std::shared_ptr<const PictureDecoder> decoder_;
};

}  // namespace diptych

#endif  // DIPTYCH_PICTURE_H_
