// CRC-32 as zlib has it, in hexadecimal: how golden files write down bytes that are too many to keep.
#ifndef DIPTYCH_TESTS_SUPPORT_CRC32_H_
#define DIPTYCH_TESTS_SUPPORT_CRC32_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace diptych {

inline std::string Crc32(const void* data, size_t size) {
  static const std::vector<uint32_t> table = [] {
    std::vector<uint32_t> values(256);
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
      values[i] = crc;
    }
    return values;
  }();
  const auto* bytes = static_cast<const uint8_t*>(data);
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; ++i) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", ~crc);
  return text;
}

}  // namespace diptych

#endif  // DIPTYCH_TESTS_SUPPORT_CRC32_H_
