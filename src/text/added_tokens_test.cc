#include "text/added_tokens.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace diptych {
namespace {

// What Split should do with plain tokens: at each byte the longest of all that match, the earlier one of equals.
std::string NaiveSplit(const std::vector<AddedToken>& tokens, std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const AddedToken* longest = nullptr;
    for (const AddedToken& token : tokens) {
      if (token.content.empty() || !text.starts_with(token.content)) continue;
      if (longest == nullptr || token.content.size() > longest->content.size()) longest = &token;
    }
    out += longest == nullptr ? std::string(1, text[0]) : "[" + std::to_string(longest->id) + "]";
    text.remove_prefix(longest == nullptr ? 1 : longest->content.size());
  }
  return out;
}

std::string SplitText(const std::vector<AddedToken>& tokens, std::string_view text) {
  std::string out;
  AddedTokens(tokens).Split(
      text, [&](std::string_view part) { out += part; }, [&](int32_t id) { out += "[" + std::to_string(id) + "]"; });
  return out;
}

std::string RandomString(Rng& rng, size_t longest, const std::string& alphabet) {
  std::string text;
  for (size_t i = rng.Below(longest + 1); i > 0; --i) text += alphabet[rng.Below(alphabet.size())];
  return text;
}

TEST(AddedTokens, LeftmostLongest) {
  const std::vector<AddedToken> tokens = {{.content = "<a>", .id = 1}, {.content = "<a><b>", .id = 2},
                                          {.content = "<", .id = 3},   {.content = "<a>", .id = 4}};
  EXPECT_EQ(SplitText(tokens, "x<a><b>y<a><c<"), "x[2]y[1][3]c[3]");
  EXPECT_EQ(SplitText({}, "as it is"), "as it is");
  EXPECT_EQ(SplitText(tokens, ""), "");
}

TEST(AddedTokens, AsAllOfThemTriedInTurn) {
  // Two letters and bytes beyond ASCII: most tokens begin alike, many are prefixes of others, some are given twice.
  const std::string alphabet = "ab\xC3\xFF";
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    std::vector<AddedToken> tokens;
    for (int32_t id = 0; id < static_cast<int32_t>(seed); ++id) {
      tokens.push_back({.content = RandomString(rng, 6, alphabet), .id = id});
    }
    const std::string text = RandomString(rng, 300, alphabet);
    EXPECT_EQ(SplitText(tokens, text), NaiveSplit(tokens, text)) << seed;
  }
}

}  // namespace
}  // namespace diptych
