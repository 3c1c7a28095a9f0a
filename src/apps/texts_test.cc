#include "apps/texts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace diptych {
namespace {

using Strings = std::vector<std::string>;

class Texts : public testing::Test {
 protected:
  Texts()
      : path_((std::filesystem::temp_directory_path() / ("diptych_texts_" + std::to_string(::getpid()))).string()) {}
  ~Texts() override { std::filesystem::remove(path_); }
  void Write(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string path_;
};

TEST_F(Texts, LinesEndInEitherWay) {
  Write(
      "\xef\xbb\xbf"
      "one\r\n\n  two \nthree");
  EXPECT_EQ(*ReadLines(path_, "f"), (Strings{"one", "", "  two ", "three"}));
  Write("one\n");
  EXPECT_EQ(*ReadLines(path_, "f"), Strings{"one"});
  Write("");
  EXPECT_TRUE(ReadLines(path_, "f")->empty());
}

TEST_F(Texts, OnlyUtf8IsRead) {
  Write("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb1\n");
  EXPECT_TRUE(ReadLines(path_, "f").ok());
  for (const char* bad : {"caf\xe9", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff"}) {
    Write(bad);
    EXPECT_EQ(ReadLines(path_, "f").status().code(), StatusCode::kCorrupt) << bad;
  }
}

TEST_F(Texts, LabelsAreTrimmedTextsAreNot) {
  Write("  dog\n\n");
  const ClassifyOptions options{.labels = {" a, b "}, .label_lists = {"cat, ,bird,"}, .labels_file = path_};
  EXPECT_EQ(*GatherLabels(options), (Strings{"a, b", "cat", "bird", "dog"}));
  EXPECT_EQ(*GatherTexts({.texts = {" x "}, .texts_file = path_}), (Strings{" x ", "  dog", ""}));
}

TEST_F(Texts, EmptyAndRepeatedLabelsAreRefused) {
  EXPECT_EQ(GatherLabels({}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(GatherLabels({.label_lists = {" , "}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(GatherLabels({.labels = {"a"}, .label_lists = {"b, a"}}).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(Texts, TemplatesComeFromOnePlace) {
  EXPECT_EQ(*GatherTemplates({}), Strings{"a photo of a {}"});
  EXPECT_EQ(*GatherTemplates({.template_set = "none"}), Strings{"{}"});
  EXPECT_EQ(GatherTemplates({.template_set = "openai"})->size(), 80u);
  EXPECT_FALSE(GatherTemplates({.templates = {"{}"}, .template_set = "none"}).ok());
  EXPECT_FALSE(GatherTemplates({.templates = {"no place"}}).ok());
}

}  // namespace
}  // namespace diptych
