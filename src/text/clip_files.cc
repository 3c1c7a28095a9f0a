#include "text/clip_files.h"

#include <nlohmann/json.hpp>

#include "text/clip_vocabulary.h"

namespace diptych {
namespace {

constexpr char kStart[] = "<|startoftext|>", kEnd[] = "<|endoftext|>", kEndOfWord[] = "</w>";

std::string Utf8(char32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  return {static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};  // symbols end at U+0143
}

// The texts of all tokens by id, bytes as the symbols that stand for them.
std::vector<std::string> TokenTexts(const std::vector<BpeMerge>& merges) {
  const Bpe::Alphabet alphabet = ClipAlphabet();
  std::vector<std::string> texts(512);
  for (char32_t symbol = 33; symbol < 256 + 68; ++symbol) {
    const std::optional<unsigned char> byte = ByteOfSymbol(symbol);
    if (!byte) continue;
    texts[static_cast<size_t>(alphabet.inside[*byte])] = Utf8(symbol);
    texts[static_cast<size_t>(alphabet.at_end[*byte])] = Utf8(symbol) + kEndOfWord;
  }
  for (const BpeMerge& merge : merges) {
    texts.push_back(texts[static_cast<size_t>(merge.left)] + texts[static_cast<size_t>(merge.right)]);
  }
  return texts;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ClipTokenizerFiles(int context_length) {
  const std::vector<BpeMerge> merges = ClipMerges();
  const std::vector<std::string> texts = TokenTexts(merges);
  nlohmann::json vocab;
  for (size_t id = 0; id < texts.size(); ++id) vocab[texts[id]] = id;
  vocab[kStart] = texts.size();
  vocab[kEnd] = texts.size() + 1;
  std::string lines = "#version: 0.2\n";
  for (const BpeMerge& merge : merges) {
    lines += texts[static_cast<size_t>(merge.left)] + " " + texts[static_cast<size_t>(merge.right)] + "\n";
  }
  const nlohmann::ordered_json special = {
      {"bos_token", kStart}, {"eos_token", kEnd}, {"unk_token", kEnd}, {"pad_token", kEnd}};
  nlohmann::ordered_json config = special;
  config["tokenizer_class"] = "CLIPTokenizer";
  config["model_max_length"] = context_length;
  config["do_lower_case"] = true;
  return {{"vocab.json", vocab.dump() + "\n"},
          {"merges.txt", lines},
          {"tokenizer_config.json", config.dump(2) + "\n"},
          {"special_tokens_map.json", special.dump(2) + "\n"}};
}

}  // namespace diptych
