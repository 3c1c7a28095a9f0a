// What Python 3.11's html.unescape and ftfy 6.3.1's unescape_html make of the same texts.
#include "text/html.h"

#include <gtest/gtest.h>

#include "text/unicode.h"

namespace diptych {
namespace {

struct Case {
  std::u32string_view text, python, strict;
};

TEST(Html, References) {
  const Case cases[] = {
      {U"&notin;", U"∉", U"∉"},
      {U"&notit;", U"¬it;", U"&notit;"},  // the longest known prefix
      {U"&amp", U"&", U"&amp"},
      {U"&ampx;", U"&x;", U"&ampx;"},
      {U"a&lt", U"a<", U"a&lt"},
      {U"&Ntilde", U"Ñ", U"&Ntilde"},
      {U"&NTILDE;", U"&NTILDE;", U"Ñ"},  // capitals throughout
      {U"&HELLIP;", U"&HELLIP;", U"…"},
      {U"&SZLIG;", U"&SZLIG;", U"SS"},
      {U"&GTCC;", U">CC;", U"&GTCC;"},
      {U"&NotEqualTilde;", U"≂\u0338", U"≂\u0338"},
      {U"&CounterClockwiseContourIntegral;", U"∳", U"&CounterClockwiseContourIntegral;"},  // too long for ftfy
      {U"&#38;lt;", U"&lt;", U"&lt;"},                                                     // once
      {U"&zzz;", U"&zzz;", U"&zzz;"},
      {U"&;", U"&;", U"&;"},
      {U"&", U"&", U"&"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(EncodeUtf8(UnescapeHtml(c.text)), EncodeUtf8(c.python)) << EncodeUtf8(c.text);
    EXPECT_EQ(EncodeUtf8(UnescapeHtmlStrictly(c.text)), EncodeUtf8(c.strict)) << EncodeUtf8(c.text);
  }
}

TEST(Html, Numbers) {
  const Case cases[] = {
      {U"&#65", U"A", U"&#65"},
      {U"&#xAbc", U"\u0ABC", U"&#xAbc"},
      {U"&#128;&#x80;", U"€€", U"€€"},  // Windows-1252, as browsers read it
      {U"&#0;", U"\uFFFD", U"\uFFFD"},
      {U"&#xD800;", U"\uFFFD", U"\uFFFD"},
      {U"&#x110000;", U"\uFFFD", U"\uFFFD"},
      {U"&#99999999999999999999;", U"\uFFFD", U"\uFFFD"},
      {U"&#1;|&#xFFFE;", U"|", U"|"},
      {U"&#;", U"&#;", U"&#;"},
      {U"&#x;", U"&#x;", U"&#x;"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(EncodeUtf8(UnescapeHtml(c.text)), EncodeUtf8(c.python)) << EncodeUtf8(c.text);
    EXPECT_EQ(EncodeUtf8(UnescapeHtmlStrictly(c.text)), EncodeUtf8(c.strict)) << EncodeUtf8(c.text);
  }
}

TEST(Html, FullyIsStrictlyUntilNothingChanges) {
  const std::u32string_view texts[] = {U"&amp;amp;amp;lt;", U"&am&#112;;", U"&#38;#38;#38;", U"&&&amp;;;gt;",
                                       U"&#6&#53;;",        U"&l&tzzz;",   U"&nbsp;&amp;x;", U"plain"};
  for (const std::u32string_view text : texts) {
    std::u32string expected(text);
    for (std::u32string next; (next = UnescapeHtmlStrictly(expected)) != expected;) expected = next;
    EXPECT_EQ(EncodeUtf8(UnescapeHtmlFully(text)), EncodeUtf8(expected)) << EncodeUtf8(text);
  }
}

}  // namespace
}  // namespace diptych
