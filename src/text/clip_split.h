// Cuts a text into the words that CLIP's byte-pair encoding works on.
#ifndef DIPTYCH_TEXT_CLIP_SPLIT_H_
#define DIPTYCH_TEXT_CLIP_SPLIT_H_

#include <span>
#include <string_view>

namespace diptych {

struct ClipSplitRules {
  std::span<const std::string_view> literals;  // matched first, whole
  bool ignore_case = false;                    // of literals and contractions, "ſ" as "s" included
};

/// Takes the first word, and the white space before it, off `text`, which is UTF-8. Empty when none is left. Literals
/// begin with "<". A word is a literal,
/// an English contraction ('s 't 're 've 'm 'll 'd), a run of letters, one number, or a run of anything else.
std::string_view NextClipWord(std::string_view& text, const ClipSplitRules& rules);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_CLIP_SPLIT_H_
