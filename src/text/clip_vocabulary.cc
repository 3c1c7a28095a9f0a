#include "text/clip_vocabulary.h"

#include <cstddef>

namespace diptych {
namespace {

// clip_merges.bin: the ids of both parts of each merge, 16 bits each, little-endian. They are the first 48,894 of
// OpenAI's bpe_simple_vocab_16e6.txt (MIT); tools/make_text_tables.py writes the file.
asm(".section .rodata\n"
    ".balign 4\n"
    ".hidden diptych_clip_merges\n"
    ".global diptych_clip_merges\n"
    "diptych_clip_merges:\n"
    ".incbin \"" DIPTYCH_CLIP_MERGES
    "\"\n"
    ".hidden diptych_clip_merges_end\n"
    ".global diptych_clip_merges_end\n"
    "diptych_clip_merges_end:\n"
    ".previous\n");

constexpr int kFirstMerge = 512;

}  // namespace

extern "C" {
extern const unsigned char diptych_clip_merges[] __attribute__((visibility("hidden")));
extern const unsigned char diptych_clip_merges_end[] __attribute__((visibility("hidden")));
}

Bpe::Alphabet ClipAlphabet() {
  Bpe::Alphabet alphabet;
  int32_t id = 0;
  for (char32_t symbol = 33; symbol < 256 + 68; ++symbol) {
    const std::optional<unsigned char> byte = ByteOfSymbol(symbol);
    if (!byte) continue;
    alphabet.inside[*byte] = id;
    alphabet.at_end[*byte] = id + 256;
    ++id;
  }
  return alphabet;
}

std::vector<BpeMerge> ClipMerges() {
  std::vector<BpeMerge> merges;
  merges.reserve(static_cast<size_t>(diptych_clip_merges_end - diptych_clip_merges) / 4);
  for (const unsigned char* p = diptych_clip_merges; p != diptych_clip_merges_end; p += 4) {
    const int32_t result = kFirstMerge + static_cast<int32_t>(merges.size());
    merges.push_back({p[0] | p[1] << 8, p[2] | p[3] << 8, result});
  }
  return merges;
}

const Bpe& ClipBpe() {
  static const Bpe bpe = [] {
    const Bpe::Alphabet alphabet = ClipAlphabet();
    const std::vector<BpeMerge> merges = ClipMerges();
    // The text of each token, by id. Tests see to it that each word's token is what Encode makes of the word.
    std::string text;
    std::vector<Bpe::WholeWord> tokens(kFirstMerge + merges.size()), words;
    for (int byte = 0; byte < 256; ++byte) {
      const auto at = static_cast<uint32_t>(text.size());
      text.push_back(static_cast<char>(byte));
      const auto i = static_cast<size_t>(byte);
      for (const int32_t id : {alphabet.inside[i], alphabet.at_end[i]}) tokens[static_cast<size_t>(id)] = {at, 1, id};
    }
    std::vector<bool> ends_word(tokens.size());
    for (size_t id = 256; id < kFirstMerge; ++id) ends_word[id] = true;
    for (const BpeMerge& merge : merges) {
      const Bpe::WholeWord& left = tokens[static_cast<size_t>(merge.left)];
      const Bpe::WholeWord& right = tokens[static_cast<size_t>(merge.right)];
      const auto result = static_cast<size_t>(merge.result);
      tokens[result] = {static_cast<uint32_t>(text.size()), left.length + right.length, merge.result};
      text.append(text, left.begin, left.length).append(text, right.begin, right.length);
      ends_word[result] = ends_word[static_cast<size_t>(merge.right)];
    }
    for (size_t id = 256; id < tokens.size(); ++id) {
      if (ends_word[id]) words.push_back(tokens[id]);
    }
    Bpe made(alphabet, merges);
    made.SetWholeWords(std::move(text), words);
    return made;
  }();
  return bpe;
}

}  // namespace diptych
