// FNV-1a, 64 bits: names for contents where nobody gains from a collision.
#ifndef DIPTYCH_CORE_HASH_H_
#define DIPTYCH_CORE_HASH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace diptych {

class Hash {
 public:
  void Add(const void* data, size_t bytes) {
    const auto* p = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < bytes; ++i) state_ = (state_ ^ p[i]) * 0x100000001b3u;
  }
  /// With its length, so that ("ab", "c") and ("a", "bc") differ.
  void Add(std::string_view text) {
    const uint64_t size = text.size();
    Add(&size, sizeof size);
    Add(text.data(), text.size());
  }
  uint64_t value() const { return state_; }
  /// 16 digits.
  std::string Hex() const {
    std::string text(16, '0');
    for (int i = 0; i < 16; ++i) text[static_cast<size_t>(15 - i)] = "0123456789abcdef"[(state_ >> (4 * i)) & 15];
    return text;
  }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_HASH_H_
