#include "image/exif.h"

#include <cstring>

namespace diptych {
namespace {

class TiffReader {
 public:
  explicit TiffReader(ByteSpan bytes) : bytes_(bytes), is_big_endian_(!bytes.empty() && bytes[0] == 'M') {}

  bool Has(uint64_t offset, uint64_t size) const { return offset + size <= bytes_.size(); }
  uint32_t U16(uint64_t at) const {
    return is_big_endian_ ? bytes_[at] << 8 | bytes_[at + 1] : bytes_[at + 1] << 8 | bytes_[at];
  }
  uint32_t U32(uint64_t at) const { return is_big_endian_ ? U16(at) << 16 | U16(at + 2) : U16(at + 2) << 16 | U16(at); }

 private:
  ByteSpan bytes_;
  bool is_big_endian_;
};

}  // namespace

int ExifOrientation(ByteSpan exif) {
  constexpr uint32_t kOrientationTag = 0x0112, kShort = 3, kEntrySize = 12;
  if (exif.size() >= 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0) exif = exif.subspan(6);
  if (exif.size() < 8) return 1;
  if (std::memcmp(exif.data(), "II*\0", 4) != 0 && std::memcmp(exif.data(), "MM\0*", 4) != 0) return 1;
  const TiffReader reader(exif);
  const uint64_t directory = reader.U32(4);
  if (!reader.Has(directory, 2)) return 1;
  const uint64_t entries = reader.U16(directory);
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + i * kEntrySize;
    if (!reader.Has(entry, kEntrySize)) return 1;
    if (reader.U16(entry) != kOrientationTag) continue;
    const uint32_t value = reader.U16(entry + 2) == kShort ? reader.U16(entry + 8) : 1;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace diptych
