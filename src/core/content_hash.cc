#include "core/content_hash.h"

#include <array>
#include <bit>
#include <cstring>

namespace diptych {
namespace {

constexpr uint64_t kFirst = 0x87c37b91114253d5u, kSecond = 0x4cf5ad432745937fu;

// Little-endian wherever this runs: the library is built for no other machine (core/npy, checkpoint/).
uint64_t Word(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

uint64_t MixFirst(uint64_t k) {
  return std::rotl(k * kFirst, 31) * kSecond;
}

uint64_t MixSecond(uint64_t k) {
  return std::rotl(k * kSecond, 33) * kFirst;
}

uint64_t Finish(uint64_t k) {
  k = (k ^ (k >> 33)) * 0xff51afd7ed558ccdu;
  k = (k ^ (k >> 33)) * 0xc4ceb9fe1a85ec53u;
  return k ^ (k >> 33);
}

}  // namespace

std::string Hash128::ToHex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint64_t word : {high, low}) {
    for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[(word >> shift) & 15];
  }
  return text;
}

Hash128 HashBytes(ByteSpan bytes) {
  uint64_t h1 = 0, h2 = 0;
  const size_t blocks = bytes.size() / 16;
  for (size_t i = 0; i < blocks; ++i) {
    h1 ^= MixFirst(Word(bytes.data() + 16 * i));
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729u;
    h2 ^= MixSecond(Word(bytes.data() + 16 * i + 8));
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5u;
  }
  std::array<uint8_t, 16> tail{};
  const size_t rest = bytes.size() - 16 * blocks;
  if (rest > 0) std::memcpy(tail.data(), bytes.data() + 16 * blocks, rest);
  h1 ^= MixFirst(Word(tail.data()));
  h2 ^= MixSecond(Word(tail.data() + 8));
  h1 ^= bytes.size();
  h2 ^= bytes.size();
  h1 += h2;
  h2 += h1;
  h1 = Finish(h1);
  h2 = Finish(h2);
  h1 += h2;
  return {.low = h1, .high = h1 + h2};
}

}  // namespace diptych
