#include "apps/query.h"

#include <gtest/gtest.h>

#include <string>

namespace diptych {
namespace {

// "weight:name" of each term, "!" behind a picture.
std::string Parsed(const std::string& text) {
  const Result<std::vector<QueryTerm>> terms = ParseQuery(text);
  if (!terms.ok()) return terms.status().what();
  std::string all;
  for (const QueryTerm& term : *terms) {
    all += (all.empty() ? "" : ", ") + std::to_string(term.weight).substr(0, 4) + ":" + term.name;
    if (term.picture) all += "!";
  }
  return all;
}

TEST(Query, Parses) {
  const std::string cat = std::string(DIPTYCH_SOURCE_DIR) + "/examples/cat.png";
  EXPECT_EQ(Parsed("a dog"), "1.00:a dog");
  EXPECT_EQ(Parsed("2:a dog + " + cat + " - snow"), "2.00:a dog, 1.00:" + cat + "!, -1.0:snow");
  EXPECT_EQ(Parsed("- snow + 0.5:a well-lit room"), "-1.0:snow, 0.50:a well-lit room");
  EXPECT_EQ(Parsed("a + -2:b"), "1.00:a, -2.0:b");
  EXPECT_EQ(Parsed("a-b+c"), "1.00:a-b+c");        // signs within words are theirs
  EXPECT_EQ(Parsed("at 10:30"), "1.00:at 10:30");  // so are colons behind other words
  EXPECT_EQ(Parsed("https://x.y/z.jpg"), "1.00:https://x.y/z.jpg!");
  EXPECT_EQ(Parsed("/no/such.jpg"), "1.00:/no/such.jpg");
  for (const char* bad : {"", "  ", "2:", "a + ", "a + 2: - b", "+ "}) {
    EXPECT_EQ(ParseQuery(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(Query, NeedsSomethingToLookFor) {
  EXPECT_FALSE(GatherTerms({}).ok());
  EXPECT_EQ(GatherTerms({.texts = {"a"}, .images = {"b.jpg"}, .query = "c - d"})->size(), 4u);
}

}  // namespace
}  // namespace diptych
