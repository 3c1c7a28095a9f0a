#include "index/near_hashes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <numeric>

#include "kernels/parallel.h"

namespace diptych {
namespace {

constexpr int kParts = 4, kPartBits = 16;
constexpr size_t kValues = size_t{1} << kPartBits;
constexpr int64_t kRowsAtOnce = 1024;

uint32_t PartOf(uint64_t hash, int part) {
  return static_cast<uint32_t>(hash >> (part * kPartBits)) & (kValues - 1);
}

// The hashes by the value of one part: those of value v are entries[begin[v], begin[v + 1]).
struct PartTable {
  struct Entry {
    uint64_t hash;
    uint32_t number;
  };
  std::vector<uint32_t> begin;
  std::vector<Entry> entries;
  std::span<const Entry> Of(uint32_t value) const {
    return std::span(entries).subspan(begin[value], begin[value + 1] - begin[value]);
  }
};

PartTable GroupByPart(std::span<const uint64_t> hashes, int part) {
  PartTable table;
  table.begin.resize(kValues + 1);
  table.entries.resize(hashes.size());
  for (const uint64_t hash : hashes) ++table.begin[PartOf(hash, part) + 1];
  std::partial_sum(table.begin.begin(), table.begin.end(), table.begin.begin());
  std::vector<uint32_t> next(table.begin.begin(), table.begin.end() - 1);
  for (size_t i = 0; i < hashes.size(); ++i) {
    table.entries[next[PartOf(hashes[i], part)]++] = {hashes[i], static_cast<uint32_t>(i)};
  }
  return table;
}

class Search {
 public:
  Search(std::span<const uint64_t> hashes, const HashPairOptions& options, const HashPairTest& wanted)
      : hashes_(hashes), options_(options), wanted_(wanted) {
    for (uint32_t mask = 0; mask < kValues; ++mask) {
      if (std::popcount(mask) <= RadiusOf(0)) masks_.push_back(mask);
    }
    if (masks_.size() * kParts >= hashes.size()) return;  // looking values up would cost more than comparing all
    const auto fewest_bits_first = [](uint32_t a, uint32_t b) { return std::popcount(a) < std::popcount(b); };
    std::stable_sort(masks_.begin(), masks_.end(), fewest_bits_first);
    for (int part = 0; part < kParts; ++part) tables_[static_cast<size_t>(part)] = GroupByPart(hashes, part);
    by_parts_ = true;
  }

  // The nearest partners of one hash.
  void Find(uint32_t i, std::vector<HashPair>& pairs) const {
    if (hashes_[i] == 0) return;
    std::vector<std::pair<int, uint32_t>> partners;  // bits apart, number
    if (by_parts_) {
      LookUp(i, partners);
    } else {
      for (uint32_t j = 0; j < hashes_.size(); ++j) Compare(i, {hashes_[j], j}, partners);
    }
    const auto most = std::min(partners.size(), static_cast<size_t>(options_.most));
    std::partial_sort(partners.begin(), partners.begin() + static_cast<std::ptrdiff_t>(most), partners.end());
    for (size_t k = 0; k < most; ++k) {
      const uint32_t j = partners[k].second;
      pairs.push_back({std::min(i, j), std::max(i, j)});
    }
  }

 private:
  void LookUp(uint32_t i, std::vector<std::pair<int, uint32_t>>& partners) const {
    for (int part = 0; part < kParts; ++part) {
      const uint32_t value = PartOf(hashes_[i], part);
      for (const uint32_t mask : masks_) {
        if (std::popcount(mask) > RadiusOf(part)) break;
        for (const PartTable::Entry& entry : tables_[static_cast<size_t>(part)].Of(value ^ mask)) {
          if (std::popcount(hashes_[i] ^ entry.hash) > options_.distance) continue;
          if (!MetBefore(hashes_[i] ^ entry.hash, part)) Compare(i, entry, partners);
        }
      }
    }
  }

  // Of d = 4 q + r bits one of the first r + 1 parts has q at most, or one of the others q - 1.
  int RadiusOf(int part) const {
    return options_.distance / kParts - (part > options_.distance % kParts ? 1 : 0);
  }

  // Whether an earlier part has led to this pair already.
  bool MetBefore(uint64_t difference, int part) const {
    for (int earlier = 0; earlier < part; ++earlier) {
      if (std::popcount(PartOf(difference, earlier)) <= RadiusOf(earlier)) return true;
    }
    return false;
  }

  void Compare(uint32_t i, PartTable::Entry other, std::vector<std::pair<int, uint32_t>>& partners) const {
    const auto [hash, j] = other;
    const int distance = std::popcount(hashes_[i] ^ hash);
    if (distance > options_.distance || i == j || hash == 0) return;
    if (options_.from != 0 && (int64_t{i} < options_.from) == (int64_t{j} < options_.from)) return;
    if (wanted_(std::min(i, j), std::max(i, j))) partners.emplace_back(distance, j);
  }

  std::span<const uint64_t> hashes_;
  const HashPairOptions& options_;
  const HashPairTest& wanted_;
  std::vector<uint32_t> masks_;
  bool by_parts_ = false;
  std::array<PartTable, kParts> tables_;
};

}  // namespace

std::vector<HashPair> FindHashPairs(const Context& context, std::span<const uint64_t> hashes,
                                    const HashPairOptions& options, const HashPairTest& wanted) {
  const Search search(hashes, options, wanted);
  std::vector<HashPair> pairs;
  std::mutex mutex;
  kernels::ParallelFor(context, static_cast<int64_t>(hashes.size()), kRowsAtOnce, [&](int64_t first, int64_t last) {
    std::vector<HashPair> found;
    for (int64_t i = first; i < last; ++i) search.Find(static_cast<uint32_t>(i), found);
    const std::lock_guard lock(mutex);  // their order is settled below
    pairs.insert(pairs.end(), found.begin(), found.end());
  });
  // Mostly each of the two has found the other.
  std::sort(pairs.begin(), pairs.end(), [](const HashPair& x, const HashPair& y) {
    return x.a != y.a ? x.a < y.a : x.b < y.b;
  });
  const auto same = [](const HashPair& x, const HashPair& y) { return x.a == y.a && x.b == y.b; };
  pairs.erase(std::unique(pairs.begin(), pairs.end(), same), pairs.end());
  return pairs;
}

}  // namespace diptych
