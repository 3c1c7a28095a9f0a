#include "core/json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "core/file.h"

namespace diptych {
namespace {

std::string ErrorOf(std::string_view text) {
  const Result<Json> json = ParseJson(text, "c.json");
  return json.ok() ? "ok" : json.status().ToString();
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(ParseJson, ErrorsSayWhere) {
  EXPECT_EQ(ErrorOf(R"({"a": [1, 2.5, "x"]})"), "ok");
  EXPECT_NE(ErrorOf("{\"a\":\n 1,}").find("c.json: is not valid JSON: parse error at line 2, column 4"),
            std::string::npos);
  EXPECT_NE(ErrorOf("").find("c.json: is not valid JSON"), std::string::npos);
  EXPECT_NE(ErrorOf("{} x").find("is not valid JSON"), std::string::npos);
  EXPECT_NE(ErrorOf("1e999").find("is not valid JSON"), std::string::npos);
}

TEST(ParseJson, ErrorsAreShortAndPrintable) {
  const std::string long_word = ErrorOf("{\"a\": \"" + std::string(1'000'000, 'x'));
  EXPECT_LT(long_word.size(), 300u);
  const std::string bytes = ErrorOf("{\"\xff\xfe\x1b\": 1}");
  for (const char c : bytes) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << bytes;
}

TEST(ParseJson, BombsAreRefused) {
  EXPECT_EQ(ErrorOf(Repeat("[", 64) + Repeat("]", 64)), "ok");
  EXPECT_EQ(ErrorOf(Repeat("[", 65) + Repeat("]", 65)), "c.json: JSON is nested deeper than 64 levels");
  EXPECT_EQ(ErrorOf(Repeat("{\"a\":", 100'000)), "c.json: JSON is nested deeper than 64 levels");
  EXPECT_EQ(ErrorOf(fmt::format("[{}[]]", Repeat("[],", 3'000'000))), "c.json: JSON has more than 4 million values");
  EXPECT_EQ(ErrorOf(fmt::format("[\"{}\"]", Repeat("[\\\"", 1000))), "ok");  // brackets inside a string are text
}

TEST(LoadJson, HasALimitOfBytes) {
  const std::string path = testing::TempDir() + "diptych_json_test.json";
  ASSERT_TRUE(WriteFileAtomically(path, R"({"width": 768})").ok());
  EXPECT_EQ((*LoadJson(path))["width"], 768);
  EXPECT_EQ(LoadJson(path, 5).status().code(), StatusCode::kLimitExceeded);
  EXPECT_EQ(LoadJson(path + ".none").status().code(), StatusCode::kNotFound);
}

TEST(JsonReader, ReadsFieldsAndTakesNullAsAbsent) {
  const Json json = *ParseJson(
      R"({"i": 7, "real": 224.0, "d": 0.5, "b": true, "s": "x", "l": [1, 2.5], "n": null, "o": {"k": 3}})", "");
  JsonReader reader(json, "c.json");
  EXPECT_EQ(reader.Int("i", 0), 7);
  EXPECT_EQ(reader.Int("real", 0), 224);
  EXPECT_EQ(reader.Int("n", 5), 5);
  EXPECT_EQ(reader.Int("missing", 5), 5);
  EXPECT_EQ(reader.Double("d", 0), 0.5);
  EXPECT_EQ(reader.Double("i", 0), 7);
  EXPECT_TRUE(reader.Bool("b", false));
  EXPECT_EQ(reader.String("s", ""), "x");
  EXPECT_EQ(reader.Doubles("l", {}), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(reader.Object("o").Int("k", 0), 3);
  EXPECT_EQ(reader.Object("missing").Int("k", 4), 4);
  EXPECT_TRUE(reader.Has("i"));
  EXPECT_FALSE(reader.Has("n"));
  EXPECT_TRUE(reader.Check().ok());
}

TEST(JsonReader, WrongTypesNameTheField) {
  const Json json = *ParseJson(R"({"i": 1.5, "huge": 1e300, "neg": -1, "s": 3, "d": "x", "b": 1, "l": [1, "x"]})", "");
  const auto error = [&](auto read) {
    JsonReader reader(json, "c.json");
    read(reader);
    return reader.Check().ToString();
  };
  EXPECT_EQ(error([](JsonReader& r) { r.Int("i", 0); }), "c.json: field \"i\" is not a whole number");
  EXPECT_EQ(error([](JsonReader& r) { r.Int("huge", 0); }), "c.json: field \"huge\" is not a whole number");
  EXPECT_EQ(error([](JsonReader& r) { r.Int("neg", 0, 1, 10); }), "c.json: field \"neg\" is -1, not between 1 and 10");
  EXPECT_EQ(error([](JsonReader& r) { r.Int("d", 0); }), "c.json: field \"d\" is not a number");
  EXPECT_EQ(error([](JsonReader& r) { r.Double("d", 0); }), "c.json: field \"d\" is not a number");
  EXPECT_EQ(error([](JsonReader& r) { r.Bool("b", false); }), "c.json: field \"b\" is not true or false");
  EXPECT_EQ(error([](JsonReader& r) { r.String("s", ""); }), "c.json: field \"s\" is not a string");
  EXPECT_EQ(error([](JsonReader& r) { r.Doubles("l", {}); }), "c.json: field \"l\" is not a list of numbers");
  EXPECT_EQ(error([](JsonReader& r) { r.Doubles("b", {}); }), "c.json: field \"b\" is not a list");
  EXPECT_EQ(error([](JsonReader& r) { r.Int("i", 0), r.Bool("b", false); }),
            "c.json: field \"i\" is not a whole number");  // the first one counts
}

TEST(JsonReader, AnArrayWhereAnObjectBelongsIsAnError) {
  const Json json = *ParseJson(R"({"o": [1]})", "");
  JsonReader reader(json, "c.json");
  JsonReader inner = reader.Object("o");
  EXPECT_EQ(inner.Int("k", 9), 9);
  EXPECT_EQ(inner.Check().ToString(), "c.json: o: is a JSON array, an object was expected");
}

}  // namespace
}  // namespace diptych
