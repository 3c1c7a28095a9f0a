// The vocabulary that every CLIP of OpenAI's line shares, built into the program.
#ifndef DIPTYCH_TEXT_CLIP_VOCABULARY_H_
#define DIPTYCH_TEXT_CLIP_VOCABULARY_H_

#include <vector>

#include "text/bpe.h"

namespace diptych {

inline constexpr int32_t kClipStart = 49406;
inline constexpr int32_t kClipEnd = 49407;
inline constexpr int32_t kClipVocabSize = 49408;

/// Ids 0 to 255 are the bytes in the order of their symbols, 256 to 511 the same at the end of a word, 512 and up the
/// results of the merges.
Bpe::Alphabet ClipAlphabet();
std::vector<BpeMerge> ClipMerges();

/// Made at the first call; every word that is one token is looked up whole.
const Bpe& ClipBpe();

}  // namespace diptych

#endif  // DIPTYCH_TEXT_CLIP_VOCABULARY_H_
