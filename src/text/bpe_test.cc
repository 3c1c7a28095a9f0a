#include "text/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "text/clip_vocabulary.h"

namespace diptych {
namespace {

// The definition, pass by pass: the pair of the lowest rank anywhere is merged at its leftmost place.
std::vector<int32_t> Naive(std::string_view word, const Bpe::Alphabet& alphabet, const std::vector<BpeMerge>& merges) {
  std::vector<int32_t> ids;
  for (const char c : word) ids.push_back(alphabet.inside[static_cast<unsigned char>(c)]);
  ids.back() = alphabet.at_end[static_cast<unsigned char>(word.back())];
  for (bool changed = true; changed;) {
    changed = false;
    for (const BpeMerge& merge : merges) {
      for (size_t i = 0; i + 1 < ids.size() && !changed; ++i) {
        if (ids[i] != merge.left || ids[i + 1] != merge.right) continue;
        ids[i] = merge.result;
        ids.erase(ids.begin() + static_cast<ptrdiff_t>(i) + 1);
        changed = true;
      }
      if (changed) break;
    }
  }
  return ids;
}

std::vector<int32_t> Encode(const Bpe& bpe, std::string_view word) {
  std::vector<int32_t> ids = {-7};  // what is there already stays
  bpe.Encode(word, ids);
  EXPECT_EQ(ids.front(), -7);
  ids.erase(ids.begin());
  return ids;
}

// Few letters and many merges, so that merges compete; words on both sides of the bound between scan and heap.
TEST(Bpe, EqualsTheDefinition) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    Bpe::Alphabet alphabet;
    for (int byte = 0; byte < 256; ++byte) {
      alphabet.inside[static_cast<size_t>(byte)] = byte;
      alphabet.at_end[static_cast<size_t>(byte)] = 256 + byte;
    }
    std::vector<int32_t> known = {'a', 'b', 'c', 256 + 'a', 256 + 'b'};
    std::vector<BpeMerge> merges;
    for (int32_t id = 512; id < 552; ++id) {
      const BpeMerge merge = {known[random() % known.size()], known[random() % known.size()], id};
      const auto same = [&](const BpeMerge& m) { return m.left == merge.left && m.right == merge.right; };
      if (std::any_of(merges.begin(), merges.end(), same)) continue;
      merges.push_back(merge);
      known.push_back(id);
    }
    const Bpe bpe(alphabet, merges);
    for (const size_t length : {1, 2, 3, 7, 31, 32, 33, 34, 60, 150}) {
      std::string word(length, 'a');
      for (char& c : word) c = static_cast<char>('a' + random() % 3);
      EXPECT_EQ(Encode(bpe, word), Naive(word, alphabet, merges)) << word;
    }
  }
}

TEST(Bpe, NoMerges) {
  Bpe::Alphabet alphabet;
  alphabet.inside.fill(Bpe::kNone);
  alphabet.at_end.fill(Bpe::kNone);
  alphabet.inside['a'] = 5;
  EXPECT_EQ(Encode(Bpe(alphabet, {}), "ab"), std::vector<int32_t>{5});
  alphabet.unknown_id = 9;
  EXPECT_EQ(Encode(Bpe(alphabet, {}), "ab"), (std::vector<int32_t>{5, 9}));
}

TEST(Bpe, SymbolsStandForEachByteOnce) {
  std::vector<int> seen(256);
  for (char32_t c = 0; c < 0x400; ++c) {
    if (const auto byte = ByteOfSymbol(c)) ++seen[*byte];
  }
  EXPECT_EQ(seen, std::vector<int>(256, 1));
  EXPECT_EQ(ByteOfSymbol(U'Ġ'), static_cast<unsigned char>(' '));
}

TEST(ClipVocabulary, IsOpenAis) {
  const std::vector<BpeMerge> merges = ClipMerges();
  ASSERT_EQ(merges.size(), 48894u);
  const Bpe::Alphabet alphabet = ClipAlphabet();
  EXPECT_EQ(merges.front(), (BpeMerge{alphabet.inside['i'], alphabet.inside['n'], 512}));
  EXPECT_EQ(alphabet.inside['!'], 0);
  EXPECT_EQ(alphabet.at_end['!'], 256);
}

// The table of whole words is right: without it the same ids come out.
TEST(ClipVocabulary, WholeWordsAreWhatMergingMakes) {
  const std::vector<BpeMerge> merges = ClipMerges();
  const Bpe::Alphabet alphabet = ClipAlphabet();
  const Bpe plain(alphabet, merges);
  std::vector<std::string> text(kClipVocabSize);
  std::vector<bool> ends(kClipVocabSize);
  for (size_t byte = 0; byte < 256; ++byte) {
    const auto inside = static_cast<size_t>(alphabet.inside[byte]), at_end = static_cast<size_t>(alphabet.at_end[byte]);
    text[inside] = text[at_end] = std::string(1, static_cast<char>(byte));
    ends[at_end] = true;
  }
  int words = 0;
  for (const BpeMerge& merge : merges) {
    const auto right = static_cast<size_t>(merge.right), result = static_cast<size_t>(merge.result);
    text[result] = text[static_cast<size_t>(merge.left)] + text[right];
    ends[result] = ends[right];
    if (!ends[result]) continue;
    ++words;
    ASSERT_EQ(Encode(plain, text[result]), std::vector<int32_t>{merge.result}) << text[result];
    ASSERT_EQ(Encode(ClipBpe(), text[result]), std::vector<int32_t>{merge.result}) << text[result];
  }
  EXPECT_GT(words, 20000);
}

}  // namespace
}  // namespace diptych
