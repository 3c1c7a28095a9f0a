#include "api/option_text.h"

#include <gtest/gtest.h>

#include "diptych/classify.h"

namespace diptych {
namespace {

Result<ClassifyOptions> Parse(std::vector<const char*> words) {
  words.push_back(nullptr);
  OptionText text(words.data());
  ClassifyOptions options;
  options.Visit(text);
  RETURN_IF_ERROR(text.Finish());
  return options;
}

TEST(OptionText, WritesWhatTheWordsSay) {
  const Result<ClassifyOptions> options =
      Parse({"top=3", "template=a {}", "template=the {}", "templates=openai", "reject=0.25", "labels-file=x=y"});
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->top, 3);
  EXPECT_EQ(options->templates, (std::vector<std::string>{"a {}", "the {}"}));
  EXPECT_EQ(options->template_set, "openai");
  EXPECT_EQ(options->reject, 0.25);
  EXPECT_EQ(options->labels_file, "x=y");
  EXPECT_EQ(Parse({})->top, 5);
}

TEST(OptionText, BoolsAreTrueOrFalse) {
  const char* words[] = {"allow_truncated=true", "exif-rotate=false", nullptr};
  OptionText text(words);
  PictureOptions options;
  options.exif_rotate = true;
  options.Visit(text);
  ASSERT_TRUE(text.Finish().ok());
  EXPECT_TRUE(options.allow_truncated);
  EXPECT_FALSE(options.exif_rotate);
}

TEST(OptionText, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> kBad[] = {
      {"top", "has no value"},         {"top=0", "not in its range"},    {"top=x", "not a number"},
      {"top=1.5", "not a whole"},      {"top=nan", "not a number"},      {"top=", "not a number"},
      {"top=99999999999", "whole"},    {"templates=x", "not one of"},    {"no_such=1", "not known"},
      {"=1", "not known"},
  };
  for (const auto& [word, part] : kBad) {
    const Result<ClassifyOptions> options = Parse({word});
    ASSERT_FALSE(options.ok()) << word;
    EXPECT_NE(options.status().ToString().find(part), std::string::npos) << options.status().ToString();
  }
  OptionText none(nullptr);
  EXPECT_TRUE(none.Finish().ok());
}

}  // namespace
}  // namespace diptych
