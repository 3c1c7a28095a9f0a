// Byte-pair encoding with an end-of-word mark (Sennrich et al., 2016), over bytes as in GPT-2 and CLIP.
#ifndef DIPTYCH_TEXT_BPE_H_
#define DIPTYCH_TEXT_BPE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diptych {

/// left + right -> result. Earlier merges go first.
struct BpeMerge {
  int32_t left, right, result;
  friend bool operator==(const BpeMerge&, const BpeMerge&) = default;
};

/// Immutable and thread safe once made.
class Bpe {
 public:
  static constexpr int32_t kNone = -1;

  /// Ids of the 256 bytes inside a word and at its end. A byte without an id becomes `unknown_id`, or nothing where
  /// that is kNone too.
  struct Alphabet {
    std::array<int32_t, 256> inside;
    std::array<int32_t, 256> at_end;
    int32_t unknown_id = kNone;
    friend bool operator==(const Alphabet&, const Alphabet&) = default;
  };

  /// A stretch of a text that becomes one id. Length 0 is an empty slot of the table.
  struct WholeWord {
    uint32_t begin = 0, length = 0;
    int32_t id = 0;
  };

  /// Of two merges of the same pair the later counts, as in the references' dictionaries.
  Bpe(const Alphabet& alphabet, const std::vector<BpeMerge>& merges);

  /// Appends the ids of a word: its bytes, the last one at_end, merged pair by pair, lowest rank first and among equals
  /// from the left. O(n log n) for a word of n bytes.
  void Encode(std::string_view word, std::vector<int32_t>& ids) const;

  /// Words that are looked up whole from now on. REQUIRES: Encode gives each just its id.
  void SetWholeWords(std::string text, std::span<const WholeWord> words);

 private:
  static constexpr int32_t kEmpty = -1;
  struct Slot {
    uint64_t key = 0;
    int32_t rank = kEmpty, result = 0;
  };
  const Slot* Find(int32_t left, int32_t right) const;
  int32_t FindWord(std::string_view word) const;
  void MergeShort(std::vector<int32_t>& ids, size_t begin) const;
  void MergeLong(std::vector<int32_t>& ids, size_t begin) const;

  Alphabet alphabet_;
  std::vector<Slot> slots_;       // open addressing, a power of two, at most half full
  std::vector<WholeWord> words_;  // the same; empty: none are known
  std::string words_text_;
};

/// The byte that a character stands for in vocabulary files: printable Latin-1 for itself, U+0100 to U+0143 for the
/// rest (GPT-2's bytes_to_unicode).
std::optional<unsigned char> ByteOfSymbol(char32_t c);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_BPE_H_
