#include "core/braces.h"

#include <gtest/gtest.h>

namespace diptych {
namespace {

using Names = std::vector<std::string>;

TEST(Braces, RangesAreCountedThrough) {
  EXPECT_EQ(*ExpandBraces("a{08..11}.tar"), (Names{"a08.tar", "a09.tar", "a10.tar", "a11.tar"}));
  EXPECT_EQ(*ExpandBraces("{0..1}{3..4}"), (Names{"03", "04", "13", "14"}));
}

TEST(Braces, AlternativesAreTakenInOrder) {
  EXPECT_EQ(*ExpandBraces("{a,b}/{x,}"), (Names{"a/x", "a/", "b/x", "b/"}));
  EXPECT_EQ(*ExpandBraces("s{00..01,7}"), (Names{"s00", "s01", "s7"}));
  EXPECT_EQ(*ExpandBraces("{{0..1},x{2,3}}"), (Names{"0", "1", "x2", "x3"}));
  EXPECT_EQ(*ExpandBraces("{,}"), (Names{"", ""}));
}

TEST(Braces, OthersMeanThemselves) {
  for (const char* plain : {"", "a", "{", "{}", "{a}", "{a..b}", "{1..}", "}1..2{", "a,b", "{a", "{{}"}) {
    EXPECT_EQ(*ExpandBraces(plain), Names{plain});
  }
  EXPECT_EQ(*ExpandBraces("{{0..1}}"), (Names{"{0}", "{1}"}));
  EXPECT_EQ(*ExpandBraces("{{0..1}"), (Names{"{0", "{1"}));
  EXPECT_EQ(*ExpandBraces(std::string(5000, 'a')), Names{std::string(5000, 'a')});
}

TEST(Braces, ErrorsQuoteThePattern) {
  EXPECT_EQ(ExpandBraces("x{2..1}").status().ToString(), "x{2..1}: its range runs backwards");
  EXPECT_FALSE(ExpandBraces("{0..999}{0..999}").ok());
  EXPECT_FALSE(ExpandBraces("{0..999999999999}").ok());
  std::string doubling;
  for (int i = 0; i < 500; ++i) doubling += "{a,b}";
  EXPECT_FALSE(ExpandBraces(doubling).ok());
  EXPECT_FALSE(ExpandBraces(std::string(100000, '{')).ok());
}

}  // namespace
}  // namespace diptych
