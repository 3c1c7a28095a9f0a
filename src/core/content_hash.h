// A fast 128-bit hash of bytes: names contents and finds damage. Not for keeping anything safe from an attacker.
#ifndef DIPTYCH_CORE_CONTENT_HASH_H_
#define DIPTYCH_CORE_CONTENT_HASH_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/file.h"

namespace diptych {

struct Hash128 {
  uint64_t low = 0, high = 0;

  std::string ToHex() const;  // 32 digits
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

/// For hash tables: the bits are as good as random already.
struct Hash128Hasher {
  size_t operator()(const Hash128& hash) const { return static_cast<size_t>(hash.low); }
};

/// MurmurHash3_x64_128 with seed 0 (Austin Appleby, public domain), over 3 GB/s.
Hash128 HashBytes(ByteSpan bytes);

/// The first half of it, for checksums.
inline uint64_t Checksum64(ByteSpan bytes) {
  return HashBytes(bytes).low;
}

}  // namespace diptych

#endif  // DIPTYCH_CORE_CONTENT_HASH_H_
