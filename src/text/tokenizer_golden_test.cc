// Ids and cleaned texts of the reference libraries: tests/golden/text/texts.tsv, written by tools/golden/text.py.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "core/file.h"
#include "core/json.h"
#include "text/clean.h"
#include "text/clip_vocabulary.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace diptych {
namespace {

const std::string kSource = DIPTYCH_SOURCE_DIR;

struct Row {
  std::string text, clean;
  std::vector<std::vector<int32_t>> ids;  // starter, clip_lower, clip_whitespace, clip_canonicalize, hf, hf_pad
};

std::vector<std::string> SplitAt(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

const std::vector<Row>& Golden() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> made;
    const std::string file = ReadFile(kSource + "/tests/golden/text/texts.tsv").value();
    for (const std::string& line : SplitAt(file, '\n')) {
      const std::vector<std::string> columns = SplitAt(line, '\t');
      if (columns[0] == "text") continue;
      Row row;
      for (size_t i = 0; i + 1 < columns[0].size(); i += 2) {
        row.text.push_back(static_cast<char>(std::stoi(columns[0].substr(i, 2), nullptr, 16)));
      }
      row.clean = ParseJson(columns[1], "golden").value().get<std::string>();
      for (size_t i = 2; i < columns.size(); ++i) {
        row.ids.emplace_back();
        for (const std::string& id : SplitAt(columns[i], ' ')) row.ids.back().push_back(std::stoi(id));
      }
      made.push_back(std::move(row));
    }
    return made;
  }();
  return rows;
}

void ExpectGolden(const Tokenizer& tokenizer, size_t column) {
  ASSERT_GT(Golden().size(), 250u);
  for (const Row& row : Golden()) {
    ASSERT_EQ(row.ids.size(), 6u);
    EXPECT_EQ(tokenizer.Encode(row.text), row.ids[column]) << row.text;
  }
}

// The token strings of the built-in vocabulary, by id.
std::vector<std::string> ClipTokens() {
  std::vector<std::string> tokens(kClipVocabSize);
  const Bpe::Alphabet alphabet = ClipAlphabet();
  for (char32_t symbol = 33; symbol < 324; ++symbol) {
    const auto byte = ByteOfSymbol(symbol);
    if (!byte) continue;
    std::string token;
    AppendUtf8(token, symbol);
    tokens[static_cast<size_t>(alphabet.inside[*byte])] = token;
    tokens[static_cast<size_t>(alphabet.at_end[*byte])] = token + "</w>";
  }
  for (const BpeMerge& merge : ClipMerges()) {
    tokens[static_cast<size_t>(merge.result)] =
        tokens[static_cast<size_t>(merge.left)] + tokens[static_cast<size_t>(merge.right)];
  }
  tokens[kClipStart] = "<|startoftext|>";
  tokens[kClipEnd] = "<|endoftext|>";
  return tokens;
}

// A folder with the built-in vocabulary in Hugging Face's files.
class HfFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/diptych_hf_" + std::to_string(getpid()) + "_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    const std::vector<std::string> tokens = ClipTokens();
    for (size_t id = 0; id < tokens.size(); ++id) vocabulary_[tokens[id]] = id;
    for (const BpeMerge& merge : ClipMerges()) {
      merges_.emplace_back(tokens[static_cast<size_t>(merge.left)], tokens[static_cast<size_t>(merge.right)]);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/" + name, text).ok());
  }

  // As OpenAI's checkpoints have it, merges as strings or as pairs.
  void WriteTokenizerJson(bool pairs) {
    Json file = Json::parse(R"({"added_tokens": [
      {"id": 49406, "content": "<|startoftext|>", "normalized": false, "special": true},
      {"id": 49407, "content": "<|endoftext|>", "normalized": false, "special": true}],
      "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"},
        {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]},
      "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "behavior": "Removed", "invert": true, "pattern":
          {"Regex": "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}]},
      "post_processor": {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 49407],
        "cls": ["<|startoftext|>", 49406]},
      "model": {"type": "BPE", "dropout": null, "unk_token": "<|endoftext|>", "continuing_subword_prefix": "",
        "end_of_word_suffix": "</w>", "fuse_unk": false}})");
    file["model"]["vocab"] = vocabulary_;
    for (const auto& [left, right] : merges_) {
      file["model"]["merges"].push_back(pairs ? Json::array({left, right}) : Json(left + " " + right));
    }
    Write("tokenizer.json", file.dump());
  }

  std::unique_ptr<Tokenizer> Load() {
    auto loaded = LoadTokenizer(folder_, {.clean = TextClean::kNone});
    EXPECT_TRUE(loaded.ok()) << loaded.status().ToString();
    return loaded.ok() ? std::move(*loaded) : nullptr;
  }

  std::string folder_;
  Json vocabulary_;
  std::vector<std::pair<std::string, std::string>> merges_;
};

TEST(Golden, CleanedTexts) {
  for (const Row& row : Golden()) EXPECT_EQ(CleanText(row.text, TextClean::kWhitespace), row.clean) << row.text;
}

TEST(Golden, Starter) {
  auto tokenizer = LoadTokenizer(kSource + "/models/starter", {.clean = TextClean::kWhitespace});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  ExpectGolden(**tokenizer, 0);
  EXPECT_EQ((*tokenizer)->vocab_size(), 30522);
  EXPECT_EQ((*tokenizer)->pad_id(), 0);
}

TEST(Golden, BuiltInClip) {
  ExpectGolden(*MakeClipTokenizer({.clean = TextClean::kLower}), 1);
  ExpectGolden(*MakeClipTokenizer({.clean = TextClean::kWhitespace}), 2);
  ExpectGolden(*MakeClipTokenizer({.clean = TextClean::kCanonicalize}), 3);
}

TEST_F(HfFolder, MergesAsStrings) {
  WriteTokenizerJson(false);
  const auto tokenizer = Load();
  ASSERT_NE(tokenizer, nullptr);
  ExpectGolden(*tokenizer, 4);
  EXPECT_EQ(tokenizer->vocab_size(), kClipVocabSize);
}

TEST_F(HfFolder, MergesAsPairsAndExclamationMarkAsPad) {
  WriteTokenizerJson(true);
  Write("tokenizer_config.json", R"({"pad_token": "!", "eos_token": {"content": "<|endoftext|>"}})");
  const auto tokenizer = Load();
  ASSERT_NE(tokenizer, nullptr);
  ExpectGolden(*tokenizer, 5);
  EXPECT_EQ(tokenizer->pad_id(), 0);
}

TEST_F(HfFolder, VocabAndMerges) {
  Write("vocab.json", vocabulary_.dump());
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : merges_) merges += left + " " + right + "\n";
  Write("merges.txt", merges);
  const auto tokenizer = Load();
  ASSERT_NE(tokenizer, nullptr);
  ExpectGolden(*tokenizer, 4);
  EXPECT_EQ(tokenizer->pad_id(), kClipEnd);

  Write("special_tokens_map.json", R"({"pad_token": "!"})");
  const auto padded = Load();
  ASSERT_NE(padded, nullptr);
  ExpectGolden(*padded, 5);
  EXPECT_EQ(padded->pad_id(), 0);
}

// Another vocabulary goes the way without whole words.
TEST_F(HfFolder, FewerMerges) {
  merges_.resize(100);
  WriteTokenizerJson(false);
  const auto tokenizer = Load();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->Encode("the cat"), (std::vector<int32_t>{49406, 518, 66, 536, 49407}));
}

TEST_F(HfFolder, BytesWithoutIdAreUnknown) {
  Write("vocab.json", R"({"a": 0, "b</w>": 1, "ab</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4})");
  Write("merges.txt", "a b</w>\n");
  const auto tokenizer = Load();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->Encode("ab xab é"), (std::vector<int32_t>{3, 2, 4, 2, 4, 4, 4}));
}

}  // namespace
}  // namespace diptych
