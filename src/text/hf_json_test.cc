#include "text/hf_json.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"

namespace diptych {
namespace {

class Tables : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "/diptych_hf_json_" + testing::UnitTest::GetInstance()->current_test_info()->name() +
            ".json";
  }
  void TearDown() override { std::filesystem::remove(path_); }

  Result<HfJson> Load(const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(path_, text).ok());
    return LoadTokenizerJsonFile(path_);
  }
  std::string Error(const std::string& text) {
    const auto loaded = Load(text);
    return loaded.ok() ? "" : loaded.status().what();
  }

  std::string path_;
};

TEST_F(Tables, TheRestStaysJson) {
  const auto loaded =
      Load(R"( {"a": [1, {"vocab": {"x": "y"}}], "model": {"type": "BPE", "merges": ["a b", ["c", "d e"]],
    "m\u006Fre": null, "vocab": {"a": 3, "\u00e9\"": 7, "": 0}, "last": {}}, "b": "\ud83d\ude00"} )");
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ(loaded->json, Json::parse(R"({"a": [1, {"vocab": {"x": "y"}}], "model": {"type": "BPE", "merges": [],
    "more": null, "vocab": {}, "last": {}}, "b": "😀"})"));
  EXPECT_EQ(loaded->vocabulary.size(), 3u);
  EXPECT_EQ(loaded->vocabulary.Find("é\""), 7);
  EXPECT_EQ(loaded->vocabulary.Find(""), 0);
  EXPECT_EQ(loaded->vocabulary.Find("b"), std::nullopt);
  EXPECT_EQ(loaded->vocab_size, 8);
  ASSERT_EQ(loaded->merges.size(), 2u);
  EXPECT_EQ(loaded->merges.left(0), "a");
  EXPECT_EQ(loaded->merges.joined(0), "ab");
  EXPECT_EQ(loaded->merges.right(1), "d e");
  EXPECT_EQ(loaded->bad_merge, std::nullopt);
}

TEST_F(Tables, OfTwoOfOneNameTheLastCounts) {
  const auto tokens = Load(R"({"model": {"vocab": {"a": 3, "a": 2}}})");
  ASSERT_TRUE(tokens.ok());
  EXPECT_EQ(tokens->vocabulary.Find("a"), 2);
  const auto tables = Load(R"({"model": {"vocab": {"a": 9}, "vocab": {"b": 1}, "merges": [3], "merges": ["x y"]}})");
  ASSERT_TRUE(tables.ok());
  EXPECT_EQ(tables->vocabulary.Find("a"), std::nullopt);
  EXPECT_EQ(tables->vocab_size, 2);
  EXPECT_EQ(tables->bad_merge, std::nullopt);
  EXPECT_EQ(tables->merges.size(), 1u);
  const auto models = Load(R"({"model": {"vocab": {"a": 9}, "merges": ["x y"]}, "model": {"vocab": null}})");
  ASSERT_TRUE(models.ok());
  EXPECT_EQ(models->vocabulary.size() + models->merges.size(), 0u);
}

TEST_F(Tables, BadMergesAreCounted) {
  for (const char* merge : {"3", "null", "\"a\"", "\"a b c\"", "[]", "[\"a\"]", "[\"a\", 3]", "[3, \"a\", \"b\"]",
                            "[\"a\", \"b\", \"c\"]", "{\"a\": 1}", "[[\"a\", \"b\"]]"}) {
    const auto loaded = Load(R"({"model": {"merges": ["a b", )" + std::string(merge) + R"(, "c d"]}})");
    ASSERT_TRUE(loaded.ok()) << merge << loaded.status().ToString();
    EXPECT_EQ(loaded->bad_merge, 1u) << merge;
    EXPECT_EQ(loaded->merges.size(), 1u) << merge;
  }
}

TEST_F(Tables, Errors) {
  EXPECT_NE(Error("{\n\"model\": {\"vocab\": {\"a\": 1,,}}}").find("line 2"), std::string::npos);
  EXPECT_NE(Error(R"({"model": {"vocab": {"a": 1})").find("not valid JSON"), std::string::npos);
  EXPECT_NE(Error(R"({"model": {}} x)").find("not valid JSON"), std::string::npos);
  EXPECT_NE(Error("{\"model\": {\"vocab\": {\"\xff\": 1}}}").find("not valid JSON"), std::string::npos);
  EXPECT_NE(Error("{\"model\": {\"merges\": [\"a \xff\"]}}").find("not valid JSON"), std::string::npos);
  EXPECT_NE(Error(R"({"model": {"vocab": {"a": 01}}})").find("not valid JSON"), std::string::npos);
  EXPECT_EQ(Error(R"({"model": {"vocab": {"a": 16777216}}})"), "the id of \"a\" is not a number from 0 to 16777215");
  EXPECT_EQ(Error(R"({"model": {"vocab": {"a": 1.0}}})"), "the id of \"a\" is not a number from 0 to 16777215");
  EXPECT_EQ(Error("[3]"), "is a JSON array, an object was expected");
  const std::string deep(70, '['), ends(70, ']');
  EXPECT_NE(Error("{\"model\": {\"merges\": [" + deep + ends + "]}}").find("deeper"), std::string::npos);
  EXPECT_NE(Error("{\"x\": " + deep + ends + "}").find("deeper"), std::string::npos);
}

TEST_F(Tables, EntriesAreLimited) {
  std::string text = "{\"model\": {\"merges\": [0";
  text.reserve(9 << 20);
  for (int i = 0; i < 1 << 22; ++i) text += ",0";
  EXPECT_EQ(Error(text + "]}}"), "JSON has more than 4 million values");
}

TEST_F(Tables, VocabularyFile) {
  ASSERT_TRUE(WriteFileAtomically(path_, R"({"a": 0, "b": 5})").ok());
  const auto loaded = LoadVocabularyFile(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ(loaded->vocabulary.Find("b"), 5);
  EXPECT_EQ(loaded->vocab_size, 6);
  for (const char* text : {"", "{}", "[]", "3", "{\"a\": 0} {}", "{\"a\": 0", "{\"a\": {}}"}) {
    ASSERT_TRUE(WriteFileAtomically(path_, text).ok());
    const auto refused = LoadVocabularyFile(path_);
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_FALSE(refused.status().what().empty()) << text;
  }
}

}  // namespace
}  // namespace diptych
