#include "core/rng.h"

#include <cmath>
#include <numbers>

#include "core/check.h"
#include "core/hash.h"

namespace diptych {
namespace {

constexpr uint32_t Low(uint64_t value) {
  return static_cast<uint32_t>(value);
}
constexpr uint32_t High(uint64_t value) {
  return static_cast<uint32_t>(value >> 32);
}

}  // namespace

std::array<uint32_t, 4> Philox(const std::array<uint32_t, 4>& counter, const std::array<uint32_t, 2>& key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;  // golden ratio, sqrt(3) - 1
  std::array<uint32_t, 4> c = counter;
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = kMultiplier0 * c[0], b = kMultiplier1 * c[2];
    c = {High(b) ^ c[1] ^ k0, Low(b), High(a) ^ c[3] ^ k1, Low(a)};
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return c;
}

uint64_t DeriveSeed(uint64_t seed, uint64_t a, uint64_t b) {
  const auto words = Philox({Low(b), High(b), Low(a), High(a)}, {Low(seed), High(seed)});
  return words[0] | uint64_t{words[1]} << 32;
}

uint64_t StreamOf(std::string_view name) {
  Hash hash;
  hash.Add(name.data(), name.size());
  return hash.value();
}

uint32_t Rng::NextU32() {
  if (used_ == 4) {
    words_ = Philox({Low(block_), High(block_), Low(stream_), High(stream_)}, {Low(seed_), High(seed_)});
    ++block_;
    used_ = 0;
  }
  return words_[used_++];
}

uint64_t Rng::NextU64() {
  const uint64_t low = NextU32();
  return low | uint64_t{NextU32()} << 32;
}

uint64_t Rng::Below(uint64_t n) {
  CHECK_GE(n, 1u);
  using Wide = unsigned __int128;
  Wide product = Wide{NextU64()} * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t threshold = -n % n;  // 2^64 mod n: that many low products would count once too often
    while (static_cast<uint64_t>(product) < threshold) product = Wide{NextU64()} * n;
  }
  return static_cast<uint64_t>(product >> 64);
}

double Rng::NextDouble() {
  return static_cast<double>(NextU64() >> 11) * 0x1p-53;
}

float Rng::NextFloat() {
  return static_cast<float>(NextU32() >> 8) * 0x1p-24f;
}

float Rng::Normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  // (0, 1], for the logarithm. In double: the far tail has 32 bits of resolution, out to 6.6.
  const double u = (static_cast<double>(NextU32()) + 1) * 0x1p-32;
  const double angle = 2 * std::numbers::pi * (static_cast<double>(NextU32()) * 0x1p-32);
  const double radius = std::sqrt(-2 * std::log(u));
  spare_ = static_cast<float>(radius * std::sin(angle));
  has_spare_ = true;
  return static_cast<float>(radius * std::cos(angle));
}

void Rng::Seek(uint64_t block) {
  block_ = block;
  used_ = 4;
  has_spare_ = false;
}

}  // namespace diptych
