// Repairs of text as ftfy 6.3.1 makes them by default (Robyn Speer, Apache-2.0; https://ftfy.readthedocs.io).
#ifndef DIPTYCH_TEXT_FTFY_H_
#define DIPTYCH_TEXT_FTFY_H_

#include <string>
#include <string_view>

namespace diptych {

/// ftfy.fix_text: HTML entities (where there is no "<"), mojibake, C1 controls, Latin ligatures, full and half width,
/// quotation marks, line breaks, terminal escapes, control characters, NFC; line by line, until nothing changes.
std::u32string FixText(std::u32string_view text);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_FTFY_H_
