#include "text/prompts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace diptych {
namespace {

TEST(Prompts, PublishedSets) {
  const auto openai = NamedTemplates("openai"), simple = NamedTemplates("simple"), none = NamedTemplates("none");
  ASSERT_TRUE(openai.ok() && simple.ok() && none.ok());
  EXPECT_EQ(openai->size(), 80u);
  EXPECT_EQ(std::set<std::string>(openai->begin(), openai->end()).size(), 80u);
  EXPECT_EQ(openai->front(), "a bad photo of a {}.");
  EXPECT_EQ(openai->back(), "a tattoo of the {}.");
  EXPECT_EQ(simple->size(), 7u);
  EXPECT_EQ(*none, std::vector<std::string>{"{}"});
  for (const std::string& text : *simple) EXPECT_EQ(std::count(openai->begin(), openai->end(), text), 1) << text;
  for (const auto* set : {&*openai, &*simple, &*none}) {
    for (const std::string& text : *set) EXPECT_TRUE(CheckTemplate(text).ok()) << text;
  }
}

TEST(Prompts, UnknownNamesAreRefusedWithTheKnownOnes) {
  for (const char* name : {"", "OpenAI", "openai ", "imagenet"}) {
    const auto templates = NamedTemplates(name);
    ASSERT_FALSE(templates.ok()) << name;
    EXPECT_EQ(templates.status().code(), StatusCode::kInvalidArgument);
    const std::string message = templates.status().ToString();
    EXPECT_NE(message.find("\"" + std::string(name) + "\""), std::string::npos) << message;
    EXPECT_NE(message.find("openai, simple and none"), std::string::npos) << message;
  }
}

TEST(Prompts, TemplatesHoldThePlaceOnce) {
  for (const char* good : {"{}", "a photo of a {}", "{{}}", "{}{"}) EXPECT_TRUE(CheckTemplate(good).ok()) << good;
  for (const char* bad : {"", "a photo", "{ }", "{label}", "}{", "{}{}", "{} and {}"}) {
    const Status status = CheckTemplate(bad);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << bad;
    EXPECT_NE(status.ToString().find("\"" + std::string(bad) + "\""), std::string::npos) << status.ToString();
  }
}

TEST(Prompts, LabelsGoIn) {
  EXPECT_TRUE(CheckTemplate(kDefaultTemplate).ok());
  EXPECT_EQ(FillTemplate(kDefaultTemplate, "cat"), "a photo of a cat");
  EXPECT_EQ(FillTemplate("{}", "two words"), "two words");
  EXPECT_EQ(FillTemplate("the {} in a video game.", ""), "the  in a video game.");
  EXPECT_EQ(FillTemplate("a {}.", "{}"), "a {}.");  // a label is not a template
}

}  // namespace
}  // namespace diptych
