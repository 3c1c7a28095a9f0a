// Repairs that uncover repairs. What ftfy makes of other texts: tokenizer_golden_test.cc.
#include "text/ftfy.h"

#include <gtest/gtest.h>

#include "text/unicode.h"

namespace diptych {
namespace {

std::u32string Repeat(std::u32string_view first, std::u32string_view unit, int count) {
  std::u32string text(first);
  for (int i = 0; i < count; ++i) text += unit;
  return text;
}

// Expected values by ftfy 6.3.1.
TEST(Ftfy, ChainsOfRepairsAreFollowedToTheirEnd) {
  EXPECT_EQ(FixText(Repeat(U"&", U"amp;", 40) + U"lt;"), U"<");
  EXPECT_EQ(FixText(Repeat(U"&", U"#65286;", 140)), U"&");  // a fullwidth "&", which makes the next reference
  EXPECT_EQ(EncodeUtf8(FixText(Repeat(U"Ãƒ", U"©Ãƒ", 330))), EncodeUtf8(Repeat(U"", U"é", 330) + U"Ã"));
}

// Each link is repaired by itself, so that time grows with the square of the length; what was not reached stays.
TEST(Ftfy, EndlessChainsAreLeft) {
  const std::u32string mojibake = FixText(Repeat(U"Ãƒ", U"©Ãƒ", 20000));
  EXPECT_TRUE(mojibake.starts_with(U"ééé"));
  EXPECT_TRUE(mojibake.ends_with(U"©Ãƒ"));
  const std::u32string entities = FixText(Repeat(U"&", U"#65286;", 10000));
  EXPECT_TRUE(entities.starts_with(U"&#65286;#65286;")) << EncodeUtf8(entities.substr(0, 40));
}

}  // namespace
}  // namespace diptych
