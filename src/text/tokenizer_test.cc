// Malformed files and hostile texts. What correct ones give: tokenizer_golden_test.cc.
#include "text/tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <random>

#include "core/file.h"
#include "core/json.h"

namespace diptych {
namespace {

const std::string kStarter = DIPTYCH_SOURCE_DIR "/models/starter";

Json SmallWordPiece() {
  return Json::parse(R"({"added_tokens": [{"id": 1, "content": "[CLS]"}, {"id": 2, "content": "[SEP]"}],
    "normalizer": {"type": "BertNormalizer", "lowercase": true}, "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}},
      {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[SEP]"}}]},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "cat": 3,
      "##s": 4}}})");
}

Json SmallBpe() {
  return Json::parse(R"({"added_tokens": [],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Removed", "invert": true,
      "pattern": {"Regex": "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}},
      {"type": "ByteLevel", "add_prefix_space": false}]},
    "post_processor": {"type": "RobertaProcessing", "cls": ["<s>", 3], "sep": ["</s>", 4]},
    "model": {"type": "BPE", "end_of_word_suffix": "</w>", "merges": ["a b</w>"],
      "vocab": {"a": 0, "b</w>": 1, "ab</w>": 2, "<s>": 3, "</s>": 4}}})");
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/diptych_tokenizer_" + std::to_string(getpid()) + "_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<Tokenizer>> Load(const std::string& json) {
    EXPECT_TRUE(WriteFileAtomically(folder_ + "/tokenizer.json", json).ok());
    return LoadTokenizer(folder_, {.context_length = 8, .clean = TextClean::kNone});
  }

  // Replaces the value at the pointer and expects an error that names the file and `part`.
  void ExpectRefused(Json file, const char* pointer, const Json& value, const std::string& part) {
    file[Json::json_pointer(pointer)] = value;
    const auto loaded = Load(file.dump());
    ASSERT_FALSE(loaded.ok()) << pointer << " = " << value.dump();
    EXPECT_NE(loaded.status().ToString().find("tokenizer.json"), std::string::npos) << loaded.status().ToString();
    EXPECT_NE(loaded.status().ToString().find(part), std::string::npos) << loaded.status().ToString();
  }

  std::string folder_;
};

TEST_F(Files, SmallOnesLoad) {
  auto wordpiece = Load(SmallWordPiece().dump());
  ASSERT_TRUE(wordpiece.ok()) << wordpiece.status().ToString();
  EXPECT_EQ((*wordpiece)->Encode("Cats dog [SEP]"), (std::vector<int32_t>{1, 3, 4, 0, 2, 2}));
  auto bpe = Load(SmallBpe().dump());
  ASSERT_TRUE(bpe.ok()) << bpe.status().ToString();
  EXPECT_EQ((*bpe)->Encode("AB a"), (std::vector<int32_t>{3, 2, 4}));  // "a</w>" has no id and no unknown stands in
}

TEST_F(Files, WrongFieldsAreNamed) {
  ExpectRefused(SmallWordPiece(), "/model", 3, "model");
  ExpectRefused(SmallWordPiece(), "/model/type", "Unigram", "Unigram");
  ExpectRefused(SmallWordPiece(), "/model/vocab", Json::array(), "vocab");
  ExpectRefused(SmallWordPiece(), "/model/vocab", Json::object(), "vocab");
  ExpectRefused(SmallWordPiece(), "/model/vocab/cat", -1, "cat");
  ExpectRefused(SmallWordPiece(), "/model/vocab/cat", 1ull << 40, "cat");
  ExpectRefused(SmallWordPiece(), "/model/vocab/cat", "3", "cat");
  ExpectRefused(SmallWordPiece(), "/model/vocab/cat", 3.5, "cat");
  ExpectRefused(SmallWordPiece(), "/model/unk_token", "nowhere", "nowhere");
  ExpectRefused(SmallWordPiece(), "/model/max_input_chars_per_word", 0, "max_input_chars_per_word");
  ExpectRefused(SmallWordPiece(), "/normalizer/type", "Lowercase", "normalizer");
  ExpectRefused(SmallWordPiece(), "/normalizer/lowercase", "yes", "lowercase");
  ExpectRefused(SmallWordPiece(), "/pre_tokenizer/type", "Whitespace", "pre_tokenizer");
  ExpectRefused(SmallWordPiece(), "/added_tokens", "none", "added_tokens");
  ExpectRefused(SmallWordPiece(), "/added_tokens/0/id", -5, "id");
  ExpectRefused(SmallWordPiece(), "/added_tokens/0/content", "", "content");
  ExpectRefused(SmallWordPiece(), "/post_processor/type", "Other", "post_processor");
  ExpectRefused(SmallWordPiece(), "/post_processor/single", Json::array(), "post_processor");
  ExpectRefused(SmallWordPiece(), "/post_processor/single/0/SpecialToken/id", "[X]", "[X]");
  ExpectRefused(SmallBpe(), "/model/merges/0", "a b c", "merge 0");
  ExpectRefused(SmallBpe(), "/model/merges/0", Json::array({"a"}), "merge 0");
  ExpectRefused(SmallBpe(), "/model/merges/0", "a a", "merge 0");
  ExpectRefused(SmallBpe(), "/model/merges", 1, "merges");
  ExpectRefused(SmallBpe(), "/model/end_of_word_suffix", "", "model");
  ExpectRefused(SmallBpe(), "/model/dropout", 0.1, "model");
  ExpectRefused(SmallBpe(), "/model/byte_fallback", true, "model");
  ExpectRefused(SmallBpe(), "/normalizer", nullptr, "normalizer");
  ExpectRefused(SmallBpe(), "/normalizer/normalizers/0/type", "NFKC", "normalizer");
  ExpectRefused(SmallBpe(), "/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\w+", "pre_tokenizer");
  ExpectRefused(SmallBpe(), "/post_processor/cls", Json::array({"<s>", -1}), "cls");
}

TEST_F(Files, NotJsonOrNotThere) {
  EXPECT_FALSE(Load("").ok());
  EXPECT_FALSE(Load("[]").ok());
  EXPECT_FALSE(Load("{\"model\": ").ok());
  EXPECT_FALSE(Load(std::string(100000, '[')).ok());
  EXPECT_EQ(LoadTokenizer(folder_ + "/missing", {}).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(WriteFileAtomically(folder_ + "/vocab.json", R"({"a": 0})").ok());
  std::filesystem::remove(folder_ + "/tokenizer.json");
  EXPECT_FALSE(LoadTokenizer(folder_, {}).ok());  // no merges.txt
}

TEST_F(Files, ContextWithoutRoom) {
  EXPECT_TRUE(WriteFileAtomically(folder_ + "/tokenizer.json", SmallWordPiece().dump()).ok());
  for (const int length : {-1, 0, 2}) {
    EXPECT_FALSE(LoadTokenizer(folder_, {.context_length = length}).ok()) << length;
  }
  auto tokenizer = LoadTokenizer(folder_, {.context_length = 3});
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ((*tokenizer)->Encode("cat cat"), (std::vector<int32_t>{1, 3, 2}));
}

// Every mutation is either refused or gives a tokenizer that works and keeps its ids in range.
TEST_F(Files, MutatedJson) {
  std::mt19937 random(5);
  for (int round = 0; round < 120; ++round) {
    std::string text = (round % 2 == 0 ? SmallWordPiece() : SmallBpe()).dump();
    for (int i = 0; i < 1 + round % 3; ++i) text[random() % text.size()] = "\"{}[]:,0-9ae\\ \xff"[random() % 15];
    const auto loaded = Load(text);
    if (!loaded.ok()) continue;
    for (const int32_t id : (*loaded)->Encode("cats ab [CLS] <s> \xff !")) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, (*loaded)->vocab_size());
    }
  }
}

class Texts : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = LoadTokenizer(kStarter, {.clean = TextClean::kWhitespace});
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    tokenizers_.push_back(std::move(*loaded));
    tokenizers_.push_back(MakeClipTokenizer({.clean = TextClean::kLower}));
    tokenizers_.push_back(MakeClipTokenizer({.clean = TextClean::kNone}));
  }
  void ExpectWellFormed(const std::string& text) {
    for (const auto& tokenizer : tokenizers_) {
      const std::vector<int32_t> ids = tokenizer->Encode(text);
      EXPECT_GE(ids.size(), 2u);
      EXPECT_LE(ids.size(), 77u);
      for (const int32_t id : ids) EXPECT_TRUE(id >= 0 && id < tokenizer->vocab_size());
    }
  }
  std::vector<std::unique_ptr<Tokenizer>> tokenizers_;
};

TEST_F(Texts, RandomBytes) {
  std::mt19937 random(6);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 60, '\0');
    for (char& c : text) c = static_cast<char>(random() % 3 == 0 ? 0x80 + random() % 128 : random() % 256);
    ExpectWellFormed(text);
  }
}

// 20 ms of processor time, and ten times that under a sanitizer. What takes quadratic time takes far longer.
TEST_F(Texts, LongTextsTakeLinearTime) {
  constexpr size_t kBytes = 1 << 16;
  constexpr double kSeconds = 2;
  std::string nested = "ab";
  for (int i = 0; i < 7; ++i) nested = nested + "\xC3\x83\xC2\xA9" + nested;
  const std::pair<std::string, std::string> texts[] = {{"", "a"},
                                                       {"", "!"},
                                                       {"", "&"},
                                                       {"&", "amp;"},
                                                       {"", "lo"},
                                                       {"", "你"},
                                                       {"", "\xCC\x81"},
                                                       {"", "Ã©"},
                                                       {"", "Ã "},
                                                       {"", "\x1B["},
                                                       {"", "&#"},
                                                       {"", "\xF0"},
                                                       {"", "Σ"},
                                                       {"", "Σ'"},
                                                       {"", "'"},
                                                       {"", nested},
                                                       {"", "&#6"},
                                                       {"", "\n"},
                                                       {"&", "#65286;"},
                                                       {"Ãƒ", "©Ãƒ"},
                                                       {"", "a\xCC\xA7\xCC\x81"},
                                                       {"", "<start_of_text"}};
  for (const auto& [first, unit] : texts) {
    std::string text = first;
    while (text.size() < kBytes) text += unit;
    const std::clock_t start = std::clock();
    ExpectWellFormed(text);
    EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, kSeconds) << text.substr(0, 20);
  }
}

}  // namespace
}  // namespace diptych
