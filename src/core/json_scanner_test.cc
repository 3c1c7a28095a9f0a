#include "core/json_scanner.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace diptych {
namespace {

// The string that `text` means, or the scanner's complaint.
std::string StringOf(std::string_view text) {
  JsonScanner scan(text);
  std::string value;
  return scan.String(&value) && scan.End() ? value : "!" + scan.problem();
}

std::string Skipped(std::string_view text) {
  JsonScanner scan(text);
  return scan.Skip() && scan.End() ? "ok" : scan.problem();
}

std::string NumberOf(std::string_view text) {
  JsonScanner scan(text);
  int64_t value = 0;
  return scan.Unsigned(&value) && scan.End() ? std::to_string(value) : "!" + scan.problem();
}

TEST(JsonScanner, StringsAreUnescaped) {
  EXPECT_EQ(StringOf(R"( "plain" )"), "plain");
  EXPECT_EQ(StringOf(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(StringOf(R"("\u0041\u00e9\u20AC\ud834\udd1e")"), "A\u00e9\u20ac\U0001d11e");
  EXPECT_EQ(StringOf("\"\u00e9\u20ac\U0001d11e\""), "\u00e9\u20ac\U0001d11e");
  EXPECT_EQ(StringOf(R"("\u0000")"), std::string(1, '\0'));
}

TEST(JsonScanner, MalformedStringsAreRefused) {
  EXPECT_EQ(StringOf("\"open"), "!a string has no end");
  EXPECT_EQ(StringOf("\"open\\"), "!invalid escape in a string");
  EXPECT_EQ(StringOf("\"open\\\""), "!a string has no end");
  EXPECT_EQ(StringOf("\"a\nb\""), "!control character in a string");
  EXPECT_EQ(StringOf(R"("\x41")"), "!invalid escape in a string");
  EXPECT_EQ(StringOf(R"("\u12g4")"), "!invalid escape in a string");
  EXPECT_EQ(StringOf(R"("\u12)"), "!invalid escape in a string");
  for (const char* lone : {R"("\ud834")", R"("\udd1e")", R"("\ud834\ud834")", R"("\ud834x")", R"("\ud834\u0041")"}) {
    EXPECT_EQ(StringOf(lone), "!lone surrogate in a string") << lone;
  }
  EXPECT_EQ(StringOf("word"), "!expected a string");
  EXPECT_EQ(StringOf(""), "!expected a string");
}

TEST(JsonScanner, OnlyWellFormedUtf8Passes) {
  // First and last of each length, and the edges of the surrogates.
  for (const char* text : {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(StringOf("\"" + std::string(text) + "\""), text);
  }
  for (const char* text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x90\x80"}) {
    EXPECT_EQ(StringOf("\"" + std::string(text) + "\""), "!invalid UTF-8 in a string");
  }
  EXPECT_EQ(StringOf("\"\xf0\x90"), "!invalid UTF-8 in a string");  // ends inside a sequence
}

TEST(JsonScanner, NumbersAreWholeAndFitInto63Bits) {
  EXPECT_EQ(NumberOf(" 0 "), "0");
  EXPECT_EQ(NumberOf("9223372036854775807"), std::to_string(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(NumberOf("9223372036854775808"), "!a number is too large");
  EXPECT_EQ(NumberOf("99999999999999999999999999"), "!a number is too large");
  for (const char* text : {"", "-1", "1.0", "1e3", "01", "x", "\"1\""}) {
    EXPECT_EQ(NumberOf(text), "!expected a whole number, not negative") << text;
  }
}

TEST(JsonScanner, AnyValueIsPassedOver) {
  EXPECT_EQ(Skipped(R"({"a": [1, -2.5e+3, true, false, null, {}, [], ""], "b": {"c": 0}})"), "ok");
  EXPECT_EQ(Skipped("{\"a\" 1}"), "expected ':'");
  EXPECT_EQ(Skipped("[1 2]"), "expected ']'");
  EXPECT_EQ(Skipped("[1,]"), "expected a value");
  EXPECT_EQ(Skipped("nul"), "expected a value");
  EXPECT_EQ(Skipped("007"), "expected a value");
  EXPECT_EQ(Skipped("1."), "a number has no digits behind its point");
  EXPECT_EQ(Skipped("1e"), "a number has no digits in its exponent");
  EXPECT_EQ(Skipped("{} {}"), "something follows the last bracket");
  EXPECT_EQ(Skipped(std::string(33, '[') + std::string(33, ']')), "ok");
  EXPECT_EQ(Skipped(std::string(10'000'000, '[')), "nested too deep");
}

}  // namespace
}  // namespace diptych
