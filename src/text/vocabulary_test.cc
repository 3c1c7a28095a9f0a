#include "text/vocabulary.h"

#include <gtest/gtest.h>

namespace diptych {
namespace {

TEST(Vocabulary, FindsWhatWasAdded) {
  Vocabulary vocabulary;
  EXPECT_EQ(vocabulary.Find(""), std::nullopt);
  constexpr int32_t kTokens = 20000;
  for (int32_t id = 0; id < kTokens; ++id) EXPECT_TRUE(vocabulary.Add("t" + std::to_string(id), id));
  EXPECT_EQ(vocabulary.size(), static_cast<size_t>(kTokens));
  for (int32_t id = 0; id < kTokens; ++id) ASSERT_EQ(vocabulary.Find("t" + std::to_string(id)), id);
  for (const char* other : {"", "t", "t20000", "T1", "t01"}) EXPECT_EQ(vocabulary.Find(other), std::nullopt) << other;
}

TEST(Vocabulary, AddKeepsAndSetReplaces) {
  Vocabulary vocabulary;
  EXPECT_TRUE(vocabulary.Add("", 0));
  EXPECT_FALSE(vocabulary.Add("", 7));
  EXPECT_EQ(vocabulary.Find(""), 0);
  vocabulary.Set("", 8);
  vocabulary.Set(std::string_view("a\0b", 3), 9);
  EXPECT_EQ(vocabulary.Find(""), 8);
  EXPECT_EQ(vocabulary.Find("a"), std::nullopt);
  EXPECT_EQ(vocabulary.Find(std::string_view("a\0b", 3)), 9);
  EXPECT_EQ(vocabulary.size(), 2u);
}

TEST(MergeTexts, PartsAndWhole) {
  MergeTexts merges;
  merges.Add("ab", "");
  merges.Add("", "c");
  merges.Add("d", "ef</w>");
  ASSERT_EQ(merges.size(), 3u);
  EXPECT_EQ(merges.left(0), "ab");
  EXPECT_EQ(merges.right(0), "");
  EXPECT_EQ(merges.joined(1), "c");
  EXPECT_EQ(merges.left(2), "d");
  EXPECT_EQ(merges.right(2), "ef</w>");
  EXPECT_EQ(merges.joined(2), "def</w>");
}

}  // namespace
}  // namespace diptych
