// All pairs of 64-bit hashes that differ in few bits.
#ifndef DIPTYCH_INDEX_NEAR_HASHES_H_
#define DIPTYCH_INDEX_NEAR_HASHES_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/context.h"

namespace diptych {

struct HashPair {
  uint32_t a = 0, b = 0;  // numbers of hashes, a < b
};

struct HashPairOptions {
  int distance = 14;  // bits, at most
  int64_t from = 0;   // only pairs of a hash before this one with one after it; 0: all pairs
  int64_t most = 64;  // pairs that a hash keeps, its nearest
};

/// Whether a pair is wanted. Called by several threads at once.
using HashPairTest = std::function<bool(uint32_t a, uint32_t b)>;

/// By a, then b; none is missed. A hash of 0 says nothing and is in no pair. Deterministic, at any number of threads.
///
/// Multi-index hashing (Norouzi, Punjani and Fleet, 2012): of four parts of 16 bits one at least differs in no more
/// than a quarter of the bits, so that each hash is compared with those alone that nearly agree with it in a part. Few
/// hashes are compared with one another at once.
std::vector<HashPair> FindHashPairs(const Context& context, std::span<const uint64_t> hashes,
                                    const HashPairOptions& options, const HashPairTest& wanted);

}  // namespace diptych

#endif  // DIPTYCH_INDEX_NEAR_HASHES_H_
