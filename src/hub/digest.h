// SHA-256 and SHA-1 (FIPS 180-4), the two checksums by which the hub names files.
#ifndef DIPTYCH_HUB_DIGEST_H_
#define DIPTYCH_HUB_DIGEST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace diptych::hub {

/// Takes bytes in pieces of any size. SHA-1 is here because git names files by it, not to keep anything safe.
class Digest {
 public:
  enum class Kind { kSha1, kSha256 };
  explicit Digest(Kind kind);

  void Update(std::string_view bytes);
  /// Lower-case hexadecimal. Nothing may be added afterwards.
  std::string Finish();

 private:
  void Block(const uint8_t* block);

  Kind kind_;
  std::array<uint32_t, 8> state_;
  std::array<uint8_t, 64> pending_{};  // the beginning of a block
  uint64_t bytes_ = 0;
};

}  // namespace diptych::hub

#endif  // DIPTYCH_HUB_DIGEST_H_
