// PNM: P1 to P6, of our own; the rules are Pillow's PpmImagePlugin.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "image/decoders.h"

namespace diptych {
namespace {

bool IsSpace(uint8_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

class Scanner {
 public:
  explicit Scanner(ByteSpan bytes) : bytes_(bytes) {}

  /// The next number, after white space and comments; -1 where there is none, or it has more than nine digits. One
  /// white space after it is consumed.
  int64_t Number() {
    SkipSpace();
    int64_t value = 0;
    int digits = 0;
    while (at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9' && ++digits <= 9) {
      value = value * 10 + (bytes_[at_++] - '0');
    }
    if (digits == 0 || digits > 9) return -1;
    if (at_ < bytes_.size() && IsSpace(bytes_[at_])) ++at_;
    return value;
  }

  /// P1's pixels need no space between them.
  int Bit() {
    SkipSpace();
    if (at_ == bytes_.size() || (bytes_[at_] != '0' && bytes_[at_] != '1')) return -1;
    return bytes_[at_++] - '0';
  }

  bool IsAtEnd() {
    SkipSpace();
    return at_ == bytes_.size();
  }
  ByteSpan rest() const { return bytes_.subspan(at_); }

 private:
  void SkipSpace() {
    while (at_ < bytes_.size() && (IsSpace(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_++] != '#') continue;
      while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
    }
  }

  ByteSpan bytes_;
  size_t at_ = 2;  // after the magic number
};

struct Header {
  int kind;  // 1 to 6
  int64_t max_value;
};

// Python's round(value / max * limit), half to even.
void StoreSample(const Header& header, int64_t value, Image* image, size_t index) {
  const bool is_wide = image->mode == PixelMode::kI;
  const double limit = is_wide ? 65535 : 255;
  const double scaled = std::min(std::nearbyint(static_cast<double>(value) / header.max_value * limit), limit);
  if (is_wide) {
    const int32_t sample = static_cast<int32_t>(scaled);
    std::memcpy(&image->pixels[4 * index], &sample, sizeof(sample));
  } else {
    image->pixels[index] = static_cast<uint8_t>(scaled);
  }
}

enum class Outcome { kDone, kCutOff, kDamaged };

Outcome ReadPlain(const Header& header, Scanner* scanner, size_t samples, Image* image) {
  for (size_t i = 0; i < samples; ++i) {
    if (scanner->IsAtEnd()) return Outcome::kCutOff;
    if (image->mode == PixelMode::k1) {
      const int bit = scanner->Bit();
      if (bit < 0) return Outcome::kDamaged;
      image->pixels[i] = bit == 0 ? 255 : 0;
      continue;
    }
    const int64_t value = scanner->Number();
    if (value < 0 || value > header.max_value) return Outcome::kDamaged;
    StoreSample(header, value, image, i);
  }
  return Outcome::kDone;
}

Outcome ReadBits(ByteSpan data, Image* image) {
  const size_t row_bytes = (static_cast<size_t>(image->width) + 7) / 8;
  for (int y = 0; y < image->height; ++y) {
    if (data.size() < row_bytes) return Outcome::kCutOff;
    uint8_t* out = &image->pixels[static_cast<size_t>(y) * image->width];
    for (int x = 0; x < image->width; ++x) out[x] = (data[x / 8] >> (7 - x % 8) & 1) != 0 ? 0 : 255;
    data = data.subspan(row_bytes);
  }
  return Outcome::kDone;
}

Outcome ReadBinary(const Header& header, ByteSpan data, size_t samples, Image* image) {
  const size_t sample_bytes = header.max_value < 256 ? 1 : 2;
  const size_t present = std::min(samples, data.size() / sample_bytes);
  if (header.max_value == 255) {
    std::memcpy(image->pixels.data(), data.data(), present);
  } else {
    for (size_t i = 0; i < present; ++i) {
      StoreSample(header, sample_bytes == 1 ? data[i] : data[2 * i] << 8 | data[2 * i + 1], image, i);
    }
  }
  return present == samples ? Outcome::kDone : Outcome::kCutOff;
}

}  // namespace

Result<Image> DecodePnm(const DecodeRequest& request) {
  Scanner scanner(request.bytes);
  Header header{request.bytes[1] - '0', 1};
  const int64_t width = scanner.Number(), height = scanner.Number();
  const bool is_bilevel = header.kind == 1 || header.kind == 4, is_color = header.kind == 3 || header.kind == 6;
  if (!is_bilevel) header.max_value = scanner.Number();
  if (width < 0 || height < 0 || header.max_value < 1 || header.max_value > 65535) {
    return Damaged(request, "PNM", "its header makes no sense");
  }
  RETURN_IF_ERROR(CheckDimensions(request, width, height));
  const PixelMode mode = is_bilevel               ? PixelMode::k1
                         : is_color               ? PixelMode::kRgb
                         : header.max_value > 255 ? PixelMode::kI
                                                  : PixelMode::kL;
  Image image = NewImage(mode, width, height);
  const size_t samples = static_cast<size_t>(width) * height * (is_color ? 3 : 1);
  const Outcome outcome = header.kind <= 3   ? ReadPlain(header, &scanner, samples, &image)
                          : header.kind == 4 ? ReadBits(scanner.rest(), &image)
                                             : ReadBinary(header, scanner.rest(), samples, &image);
  if (outcome == Outcome::kDamaged) return Damaged(request, "PNM", "a sample that is no number up to its maximum");
  if (outcome == Outcome::kCutOff && !request.options.allow_truncated) return CutOff(request);
  return image;
}

}  // namespace diptych
