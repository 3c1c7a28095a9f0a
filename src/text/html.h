// Character references such as "&amp;" and "&#233;".
#ifndef DIPTYCH_TEXT_HTML_H_
#define DIPTYCH_TEXT_HTML_H_

#include <string>
#include <string_view>

namespace diptych {

/// Python's html.unescape: HTML5's rules, references without semicolon and the longest known prefix included.
std::u32string UnescapeHtml(std::u32string_view text);

/// ftfy's unescape_html, once: only references that end in a semicolon, and names written wholly in capitals.
std::u32string UnescapeHtmlStrictly(std::u32string_view text);

/// The same until nothing changes.
std::u32string UnescapeHtmlFully(std::u32string_view text);

/// HTML5's names and what they stand for. Written by tools/make_text_tables.py: after each name "=" or, where the
/// semicolon may be missing, "*", then the code points in hexadecimal, joined by "+", and a space.
extern const char kHtmlEntities[];

}  // namespace diptych

#endif  // DIPTYCH_TEXT_HTML_H_
