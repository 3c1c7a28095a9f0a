// Text that was decoded in the wrong encoding, recognised and repaired as ftfy 6.3.1 does (Robyn Speer, Apache-2.0).
#ifndef DIPTYCH_TEXT_MOJIBAKE_H_
#define DIPTYCH_TEXT_MOJIBAKE_H_

#include <string>
#include <string_view>

namespace diptych {

/// Whether the text holds a sequence that is far likelier an accident than meant, such as "Ã©".
bool LooksLikeMojibake(std::u32string_view text);

/// ftfy.fix_encoding: while the text looks like mojibake, encodes it in each code page it fits and reads that as UTF-8.
/// Texts can be made of which each repair uncovers just one more: every look at a text, or at a part of it, takes its
/// length from `budget`, and what that no longer pays for stays as it is.
std::u32string FixEncoding(std::u32string text, size_t& budget);

/// Windows-1252's reading of the C1 control 0x80 <= c < 0xA0, itself where there is none.
char32_t FromC1(char32_t c);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_MOJIBAKE_H_
