#include "index/filter.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <set>

#include "index/store.h"

namespace diptych {
namespace {

class FilterTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "filter_test." + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    store_ = *Store::OpenForWriting(folder_, {.model = "tiny", .fingerprint = "0", .e = 4});
    const float vector[4] = {1, 0, 0, 0};
    store_->Add({.path = "/a/2024/cat.jpg",
                 .bytes = 10,
                 .modified = 1717178400000000000,
                 .width = 640,
                 .height = 480,
                 .sharpness = 1.5,
                 .caption = "it's a cat",
                 .metadata = R"({"stars": 5, "place": "Rome"})"},
                vector);
    store_->Add({.path = "/a/2023/dog.png",
                 .bytes = 20,
                 .modified = 1600000000000000000,
                 .width = 1200,
                 .height = 800,
                 .caption = "100% dog"},
                vector);
    store_->Add({.path = "/b/2024/Cat.png", .bytes = 30, .width = 1920, .height = 1080, .metadata = R"({"stars": 2})"},
                vector);
    ASSERT_TRUE(store_->Commit().ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The slots that pass, as digits.
  std::string Pass(const std::string& text) {
    const Result<Filter> filter = Filter::Parse(text);
    if (!filter.ok()) return filter.status().ToString();
    int64_t count = 0;
    const Result<SlotSet> set = store_->Select(&*filter, &count);
    if (!set.ok()) return set.status().ToString();
    std::string slots;
    for (int64_t i = 0; i < 3; ++i) slots += set->Has(i) ? std::to_string(i) : "";
    EXPECT_EQ(static_cast<int64_t>(slots.size()), count);
    return slots;
  }

  std::string folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(FilterTest, Selects) {
  EXPECT_EQ(Pass("width > 1000 and path like '%2024%'"), "2");
  EXPECT_EQ(Pass("width>1000or height<500"), "012");
  EXPECT_EQ(Pass("not (width >= 1200)"), "0");
  EXPECT_EQ(Pass("NOT width = 640 AND bytes <> 30"), "1");
  EXPECT_EQ(Pass("name = 'cat.jpg'"), "0");
  EXPECT_EQ(Pass("name like 'cat%'"), "02");
  EXPECT_EQ(Pass("name not like 'cat%'"), "1");
  EXPECT_EQ(Pass("caption = 'it''s a cat'"), "0");
  EXPECT_EQ(Pass("width in (640, 1920)"), "02");
  EXPECT_EQ(Pass("width not in (640, 1920)"), "1");
  EXPECT_EQ(Pass("modified >= '2024-05-31 18:00' and modified < '2024-05-31T18:00:01'"), "0");
  EXPECT_EQ(Pass("modified > '2020-01-01'"), "01");
  EXPECT_EQ(Pass("modified = 1600000000"), "1");
  EXPECT_EQ(Pass("meta.stars > 3"), "0");
  EXPECT_EQ(Pass("meta.stars > 1 and meta.place = 'Rome'"), "0");
  EXPECT_EQ(Pass("meta.nothing = 1"), "");
  EXPECT_EQ(Pass("sharpness > 1.25e0"), "0");
  EXPECT_EQ(Pass("bytes > -5"), "012");
  // "and" binds closer than "or", "not" closer than both.
  EXPECT_EQ(Pass("width = 640 or width = 1200 and height = 1"), "0");
  EXPECT_EQ(Pass("not width = 640 or width = 640"), "012");
}

TEST_F(FilterTest, SaysWhatIsWrongAndWhere) {
  for (const auto& [text, message] :
       std::vector<std::pair<std::string, std::string>>{{"", "at character 1: expected one of path"},
                                                        {"width", "expected =, !="},
                                                        {"width >", "expected a number"},
                                                        {"width > 'x'", "at character 9: expected a number"},
                                                        {"path = 5", "expected a 'text'"},
                                                        {"path = 'abc", "ends with '"},
                                                        {"width > 5 height", "at character 11: expected \"and\""},
                                                        {"(width > 5", "expected \")\""},
                                                        {"colour = 'red'", "expected one of"},
                                                        {"width > 5; drop table pictures", "expected \"and\""},
                                                        {"width > (select 1)", "expected a number"},
                                                        {"path = 'a' -- '", "expected \"and\""},
                                                        {"width like '6%'", "expected =, !="},
                                                        {"width not > 5", "\"like\" or \"in\""},
                                                        {"meta. = 5", "a key"},
                                                        {"modified > '2024-13-01'", "a time"},
                                                        {"modified > '2024-01-01 25:00'", "a time"},
                                                        {"width > inf", "a number"},
                                                        {"width > 1e999", "a number"},
                                                        {"width in ()", "a number"}}) {
    const Result<Filter> filter = Filter::Parse(text);
    ASSERT_FALSE(filter.ok()) << text;
    EXPECT_EQ(filter.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(filter.status().ToString().find(message), std::string::npos) << filter.status().ToString();
  }
  EXPECT_FALSE(Filter::Parse(std::string(100000, '(')).ok());
  EXPECT_FALSE(Filter::Parse(std::string(1000, '(') + "width > 1" + std::string(1000, ')')).ok());
  EXPECT_FALSE(Filter::Parse(std::string("width > 1\0", 10)).ok());
  std::string chain = "width > 1";
  for (int i = 0; i < 499; ++i) chain += " or width > 1";
  EXPECT_EQ(Pass(chain), "012");
  EXPECT_FALSE(Filter::Parse(chain + " or width > 1").ok());
}

// Whatever parses can be run by SQLite, and values come back as they were bound: no text gets into the SQL.
TEST_F(FilterTest, NoTextReachesTheDatabase) {
  const std::vector<std::string> words = {"width",
                                          "path",
                                          "like",
                                          "and",
                                          "or",
                                          "not",
                                          "(",
                                          ")",
                                          "in",
                                          ",",
                                          "=",
                                          "<",
                                          "'a''b'",
                                          "'",
                                          "5",
                                          "-",
                                          ";",
                                          "?",
                                          "$1",
                                          "\"",
                                          "meta.x",
                                          "--",
                                          "name",
                                          "!=",
                                          "'%'",
                                          "\\",
                                          "\xff",
                                          "'2024-01-01'",
                                          "width > 5",
                                          "path like 'a''b'",
                                          "name not in ('x', '--')",
                                          "meta.x = 'y;'",
                                          "modified < '2024-01-01'",
                                          "and",
                                          "or"};
  std::mt19937 engine(6);
  int parsed = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t n = engine() % 8 + 1; n > 0; --n) text += words[engine() % words.size()] + " ";
    const Result<Filter> filter = Filter::Parse(text);
    if (!filter.ok()) continue;
    ++parsed;
    const std::string sql = filter->ToSql(Filter::Dialect::kSqlite);
    EXPECT_EQ(sql.find_first_of(";\"\\\xff"), std::string::npos) << sql;
    int64_t count = 0;
    const Result<SlotSet> set = store_->Select(&*filter, &count);
    EXPECT_TRUE(set.ok()) << text << " -> " << sql << ": " << set.status().ToString();
  }
  EXPECT_GT(parsed, 20);
}

TEST_F(FilterTest, SpeaksPostgres) {
  const Filter filter = *Filter::Parse("width > 5 and name not like 'a%' or meta.x = 'y' and meta.z > 3");
  EXPECT_EQ(filter.ToSql(Filter::Dialect::kPostgres, 3),
            "(width > $3::float8) AND (regexp_replace(path, '^.*/', '') NOT ILIKE $4::text) OR "
            "((nullif(metadata, '')::jsonb ->> 'x') = $5::text) AND "
            "((nullif(metadata, '')::jsonb ->> 'z')::float8 > $6::float8)");
}

}  // namespace
}  // namespace diptych
