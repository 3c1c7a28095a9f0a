#include "text/tokenizer.h"

#include <gtest/gtest.h>

namespace diptych {
namespace {

const std::string kStarter = DIPTYCH_SOURCE_DIR "/models/starter";

TEST(LoadTokenizer, Starter) {
  auto tokenizer = LoadTokenizer(kStarter, {.context_length = 77, .clean = TextClean::kWhitespace});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_EQ((*tokenizer)->Encode("a photo of a cat"), (std::vector<int32_t>{101, 1037, 6302, 1997, 1037, 4937, 102}));
  EXPECT_EQ((*tokenizer)->vocab_size(), 30522);
}

}  // namespace
}  // namespace diptych
