#include "text/unicode.h"

#include <gtest/gtest.h>

namespace diptych {
namespace {

// Python: bytes.decode("utf-8", "replace").
TEST(Unicode, IllFormedBytes) {
  struct {
    std::string_view bytes;
    std::u32string_view text;
  } const cases[] = {
      {"", U""},
      {"a\x80z", U"a\uFFFDz"},                            // a continuation by itself
      {"\xC0\xAF", U"\uFFFD\uFFFD"},                      // overlong
      {"\xE0\x9F\xBF", U"\uFFFD\uFFFD\uFFFD"},            // overlong
      {"\xED\xA0\x80", U"\uFFFD\uFFFD\uFFFD"},            // a surrogate
      {"\xF4\x90\x80\x80", U"\uFFFD\uFFFD\uFFFD\uFFFD"},  // above U+10FFFF
      {"\xE2\x82z", U"\uFFFDz"},                          // the longest prefix is one character
      {"\xF0\x9F\x98", U"\uFFFD"},                        // the same at the end
      {"\xFF\xFE", U"\uFFFD\uFFFD"},
      {"\xF4\x8F\xBF\xBF\xEF\xBF\xBF", U"\U0010FFFF\uFFFF"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(DecodeUtf8(c.bytes), c.text) << c.bytes;
    EXPECT_EQ(IsValidUtf8(c.bytes), c.text.find(U'\uFFFD') == std::u32string_view::npos) << c.bytes;
  }
}

TEST(Unicode, EveryScalarValueGoesThereAndBack) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    AppendUtf8(bytes, c);
    size_t end = 0;
    ASSERT_EQ(DecodeNext(bytes, end), c);
    ASSERT_EQ(end, bytes.size());
    ASSERT_TRUE(IsValidUtf8(bytes));
  }
}

// Python: str.lower.
TEST(Unicode, FinalSigma) {
  struct {
    std::u32string_view text, lower;
  } const cases[] = {
      {U"ΟΔΟΣ", U"οδος"}, {U"ΟΔΟΣ.", U"οδος."},       {U"ΣΑ", U"σα"},       {U"Σ", U"σ"},
      {U"ΑΣ'Α", U"ασ'α"}, {U"ΑΣ' Α", U"ας' α"},       {U"Α'Σ", U"α'ς"},     {U"1Σ", U"1σ"},
      {U"ΑΣΣ", U"ασς"},   {U"ΑΣ\u0301", U"ας\u0301"}, {U"İI", U"i\u0307i"}, {U"ẞ", U"ß"},
  };
  for (const auto& c : cases) EXPECT_EQ(EncodeUtf8(PythonLower(c.text)), EncodeUtf8(c.lower)) << EncodeUtf8(c.text);
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(Nfc(U"e\u0301"), U"é");
  EXPECT_EQ(Nfd(U"é"), U"e\u0301");
  EXPECT_EQ(Nfc(U"\u1100\u1161\u11A8"), U"각");
  EXPECT_EQ(Nfd(U"각"), U"\u1100\u1161\u11A8");
  EXPECT_EQ(Nfc(U"a\u0301\u0327"), U"á\u0327");  // marks in canonical order
  EXPECT_EQ(Nfc(U"\u0958"), U"\u0915\u093C");    // excluded from composition
  EXPECT_EQ(Nfc(U"\u212B\u037E"), U"\u00C5;");   // singletons
  EXPECT_EQ(Nfkc(U"ﬁ①Ａ"), U"fi1A");
  EXPECT_EQ(Nfkc(U"\uFDFA").size(), 18u);  // the longest decomposition there is
}

TEST(Unicode, White) {
  for (const char32_t c : {0x1Cu, 0x1Fu}) {
    EXPECT_TRUE(IsPythonSpace(c));
    EXPECT_FALSE(IsWhiteSpace(c));
  }
  for (const char32_t c : U" \t\u0085\u00A0\u3000\u2028") {
    EXPECT_TRUE(c == 0 || (IsWhiteSpace(c) && IsPythonSpace(c))) << static_cast<uint32_t>(c);
  }
  EXPECT_FALSE(IsWhiteSpace(U'\u200B'));
}

}  // namespace
}  // namespace diptych
