#include "index/near_hashes.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <set>

namespace diptych {
namespace {

using PairSet = std::set<std::pair<uint32_t, uint32_t>>;

bool All(uint32_t, uint32_t) {
  return true;
}

// Random hashes, each third one the one before with a few bits turned.
std::vector<uint64_t> Hashes(size_t n) {
  std::mt19937_64 engine(5);
  std::vector<uint64_t> hashes;
  for (size_t i = 0; i < n; ++i) {
    uint64_t hash = engine();
    if (i % 3 == 2) {
      hash = hashes.back();
      for (uint64_t turned = engine() % 16; turned > 0; --turned) hash ^= uint64_t{1} << (engine() % 64);
    }
    hashes.push_back(hash);
  }
  return hashes;
}

PairSet Naive(const std::vector<uint64_t>& hashes, int distance) {
  PairSet pairs;
  for (uint32_t a = 0; a < hashes.size(); ++a) {
    for (uint32_t b = a + 1; b < hashes.size(); ++b) {
      if (std::popcount(hashes[a] ^ hashes[b]) <= distance) pairs.emplace(a, b);
    }
  }
  return pairs;
}

PairSet SetOf(const std::vector<HashPair>& found) {
  PairSet pairs;
  for (const HashPair& pair : found) EXPECT_TRUE(pairs.emplace(pair.a, pair.b).second);
  return pairs;
}

TEST(NearHashes, FindsWhatComparingAllFinds) {
  const std::vector<uint64_t> hashes = Hashes(5000);
  for (const int distance : {0, 1, 3, 4, 10, 13, 14, 20}) {  // up to 14 by parts, beyond by comparing all
    Context one(1), four(4);
    const auto found = FindHashPairs(one, hashes, {.distance = distance}, All);
    EXPECT_EQ(SetOf(found), Naive(hashes, distance)) << distance;
    EXPECT_EQ(SetOf(FindHashPairs(four, hashes, {.distance = distance}, All)), SetOf(found)) << distance;
  }
}

TEST(NearHashes, WantedPairsAcrossABorder) {
  const std::vector<uint64_t> hashes = {1, 3, 0, 7, 0, 1};
  Context context(2);
  EXPECT_EQ(SetOf(FindHashPairs(context, hashes, {.distance = 1}, All)),
            (PairSet{{0, 1}, {0, 5}, {1, 3}, {1, 5}}));  // a hash of 0 is in none
  EXPECT_EQ(SetOf(FindHashPairs(context, hashes, {.distance = 1, .from = 3}, All)), (PairSet{{0, 5}, {1, 3}, {1, 5}}));
  const auto not_first = [](uint32_t a, uint32_t) { return a != 0; };
  EXPECT_EQ(SetOf(FindHashPairs(context, hashes, {.distance = 1}, not_first)), (PairSet{{1, 3}, {1, 5}}));
}

TEST(NearHashes, EqualOnesDoNotExplode) {
  const std::vector<uint64_t> hashes(3000, 0x123456789abcdef0u);
  Context context(2);
  const auto found = FindHashPairs(context, hashes, {.most = 8}, All);
  EXPECT_LE(found.size(), 3000u * 8u);
  std::set<uint32_t> met;
  for (const HashPair& pair : found) met.insert({pair.a, pair.b});
  EXPECT_EQ(met.size(), 3000u);  // nobody is left out
}

TEST(NearHashes, NothingAndOne) {
  Context context(1);
  EXPECT_TRUE(FindHashPairs(context, {}, {}, All).empty());
  EXPECT_TRUE(FindHashPairs(context, std::vector<uint64_t>{1}, {}, All).empty());
}

}  // namespace
}  // namespace diptych
