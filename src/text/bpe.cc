#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <queue>
#include <span>
#include <utility>

namespace diptych {
namespace {

// Up to this many symbols a scan for the lowest rank is cheaper than a heap; words of text have fewer.
constexpr size_t kShortWord = 32;

uint64_t KeyOf(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

uint64_t Mix(uint64_t x) {
  x *= 0x9E3779B97F4A7C15u;
  return x ^ x >> 29;
}

// FNV-1a: words have six bytes on average.
uint64_t HashOf(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash ^ hash >> 32;
}

}  // namespace

Bpe::Bpe(const Alphabet& alphabet, const std::vector<BpeMerge>& merges)
    : alphabet_(alphabet), slots_(std::bit_ceil(merges.size() * 2 + 1)) {
  const size_t mask = slots_.size() - 1;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const uint64_t key = KeyOf(merges[rank].left, merges[rank].right);
    size_t i = Mix(key) & mask;
    while (slots_[i].rank != kEmpty && slots_[i].key != key) i = (i + 1) & mask;
    slots_[i] = {key, static_cast<int32_t>(rank), merges[rank].result};
  }
}

const Bpe::Slot* Bpe::Find(int32_t left, int32_t right) const {
  const size_t mask = slots_.size() - 1;
  const uint64_t key = KeyOf(left, right);
  for (size_t i = Mix(key) & mask; slots_[i].rank != kEmpty; i = (i + 1) & mask) {
    if (slots_[i].key == key) return &slots_[i];
  }
  return nullptr;
}

void Bpe::SetWholeWords(std::string text, std::span<const WholeWord> words) {
  words_text_ = std::move(text);
  words_.assign(std::bit_ceil(words.size() * 2 + 1), WholeWord());
  const size_t mask = words_.size() - 1;
  for (const WholeWord& word : words) {
    size_t i = HashOf(std::string_view(words_text_).substr(word.begin, word.length)) & mask;
    while (words_[i].length != 0) i = (i + 1) & mask;
    words_[i] = word;
  }
}

int32_t Bpe::FindWord(std::string_view word) const {
  if (words_.empty()) return kNone;
  const size_t mask = words_.size() - 1;
  const std::string_view text = words_text_;
  for (size_t i = HashOf(word) & mask; words_[i].length != 0; i = (i + 1) & mask) {
    if (text.substr(words_[i].begin, words_[i].length) == word) return words_[i].id;
  }
  return kNone;
}

void Bpe::Encode(std::string_view word, std::vector<int32_t>& ids) const {
  if (const int32_t id = FindWord(word); id != kNone) {
    ids.push_back(id);
    return;
  }
  const size_t begin = ids.size();
  for (size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    const int32_t id = i + 1 < word.size() ? alphabet_.inside[byte] : alphabet_.at_end[byte];
    if (id != kNone) {
      ids.push_back(id);
    } else if (alphabet_.unknown_id != kNone) {
      ids.push_back(alphabet_.unknown_id);
    }
  }
  if (ids.size() - begin <= kShortWord) {
    MergeShort(ids, begin);
  } else {
    MergeLong(ids, begin);
  }
}

void Bpe::MergeShort(std::vector<int32_t>& ids, size_t begin) const {
  int32_t* symbols = ids.data() + begin;
  size_t count = ids.size() - begin;
  const Slot* merges[kShortWord] = {};  // merges[i]: of symbols i and i + 1, or null
  for (size_t i = 0; i + 1 < count; ++i) merges[i] = Find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = count;
    for (size_t i = 0; i + 1 < count; ++i) {
      if (merges[i] != nullptr && (best == count || merges[i]->rank < merges[best]->rank)) best = i;
    }
    if (best == count) break;
    symbols[best] = merges[best]->result;
    std::copy(symbols + best + 2, symbols + count, symbols + best + 1);
    std::copy(merges + best + 1, merges + count - 1, merges + best);
    --count;
    if (best > 0) merges[best - 1] = Find(symbols[best - 1], symbols[best]);
    if (best + 1 < count) merges[best] = Find(symbols[best], symbols[best + 1]);
  }
  ids.resize(begin + count);
}

void Bpe::MergeLong(std::vector<int32_t>& ids, size_t begin) const {
  using Candidate = std::pair<int32_t, size_t>;  // rank, left symbol: the lowest rank first, then the leftmost
  const std::span<int32_t> symbols(ids.data() + begin, ids.size() - begin);
  const size_t end = symbols.size();
  std::vector<size_t> next(end), previous(end);
  for (size_t i = 0; i < end; ++i) next[i] = i + 1, previous[i] = i == 0 ? end : i - 1;
  const auto merge_at = [&](size_t left) -> const Slot* {
    if (left == end || symbols[left] == kNone || next[left] == end) return nullptr;
    return Find(symbols[left], symbols[next[left]]);
  };
  std::vector<Candidate> first;
  for (size_t i = 0; i < end; ++i) {
    if (const Slot* slot = merge_at(i)) first.emplace_back(slot->rank, i);
  }
  std::priority_queue queue(std::greater<>(), std::move(first));
  while (!queue.empty()) {
    const auto [rank, left] = queue.top();
    queue.pop();
    const Slot* slot = merge_at(left);
    if (slot == nullptr || slot->rank != rank) continue;  // one of the two symbols is another by now
    const size_t right = next[left];
    symbols[left] = slot->result;
    symbols[right] = kNone;
    next[left] = next[right];
    if (next[left] != end) previous[next[left]] = left;
    for (const size_t i : {previous[left], left}) {
      if (const Slot* made = merge_at(i)) queue.emplace(made->rank, i);
    }
  }
  size_t length = 0;
  for (size_t i = 0; i != end; i = next[i]) symbols[length++] = symbols[i];
  ids.resize(begin + length);
}

std::optional<unsigned char> ByteOfSymbol(char32_t c) {
  const auto is_printable = [](char32_t b) { return (b >= 33 && b <= 126) || (b >= 161 && b != 173); };
  if (c < 256) return is_printable(c) ? std::optional(static_cast<unsigned char>(c)) : std::nullopt;
  // The others in order: 0 to 32, 127 to 160, 173.
  const char32_t n = c - 256;
  if (n <= 32) return static_cast<unsigned char>(n);
  if (n <= 32 + 34) return static_cast<unsigned char>(n - 33 + 127);
  return n == 67 ? std::optional<unsigned char>(static_cast<unsigned char>(173)) : std::nullopt;
}

}  // namespace diptych
