// Random numbers that are a pure function of (seed, stream, counter): the same at any number of threads, and any place
// of a sequence is reached at once.
#ifndef DIPTYCH_CORE_RNG_H_
#define DIPTYCH_CORE_RNG_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace diptych {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; tested against the vectors of
/// Random123). Counter and result are four words, the key is two; the first is the least significant.
std::array<uint32_t, 4> Philox(const std::array<uint32_t, 4>& counter, const std::array<uint32_t, 2>& key);

/// A seed of its own for each (a, b) under `seed`, such as an epoch and a sample. It is the first draw of
/// Rng(seed, a).Seek(b), so a seed is either derived from or drawn from, not both.
uint64_t DeriveSeed(uint64_t seed, uint64_t a, uint64_t b = 0);

/// A stream's number from a name ("shuffle", a parameter's): FNV-1a.
uint64_t StreamOf(std::string_view name);

/// One sequence: block i of it is Philox(counter = (i, stream), key = seed). Cheap to make, so that each sample and
/// each parameter has its own. Not thread safe.
class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  uint32_t NextU32();
  uint64_t NextU64();
  /// Uniform in [0, n), without bias (Lemire's rejection). REQUIRES: n >= 1.
  uint64_t Below(uint64_t n);
  double NextDouble();  // [0, 1), 53 bits
  float NextFloat();    // [0, 1), 24 bits
  /// Uniform in [low, high), or low where they are equal.
  double Uniform(double low, double high) { return low + (high - low) * NextDouble(); }
  bool Chance(double p) { return NextDouble() < p; }
  /// N(0, 1) by Box and Muller; made in pairs, of which the second is kept for the next call.
  float Normal();

  /// Goes to the beginning of block `block`, four words each.
  void Seek(uint64_t block);

 private:
  uint64_t seed_, stream_;
  uint64_t block_ = 0;  // the one that comes after words_
  std::array<uint32_t, 4> words_{};
  int used_ = 4;
  float spare_ = 0;
  bool has_spare_ = false;
};

/// A uniform permutation in place (Fisher and Yates).
template <class T>
void Shuffle(std::span<T> values, Rng& rng) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[rng.Below(i)]);
}

}  // namespace diptych

#endif  // DIPTYCH_CORE_RNG_H_
