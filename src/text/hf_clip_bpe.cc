#include <array>

#include "text/clip_split.h"
#include "text/clip_vocabulary.h"
#include "text/hf_models.h"
#include "text/unicode.h"

namespace diptych {
namespace {

constexpr std::string_view kEndOfWord = "</w>";
constexpr std::array<std::string_view, 2> kLiterals = {"<|startoftext|>", "<|endoftext|>"};
// The split, which newer files begin with the literals. transformers 5 does so whatever the file says.
constexpr std::string_view kSplitLiterals = R"(<\|startoftext\|>|<\|endoftext\|>|)";
constexpr std::string_view kSplit = R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";

class ClipBpeModel final : public HfModel {
 public:
  explicit ClipBpeModel(std::shared_ptr<const Bpe> bpe) : bpe_(std::move(bpe)) {}

  // NFC, then lower case character by character: "Σ" always becomes "σ". Runs of white space become a space there,
  // which the split drops anyway.
  std::string Normalize(std::string_view text) const override {
    if (IsAscii(text)) {
      std::string lower(text);
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      return lower;
    }
    std::u32string lower;
    for (const char32_t c : Nfc(DecodeUtf8(text))) AppendLower(lower, c);
    return EncodeUtf8(lower);
  }

  void Encode(std::string_view text, size_t limit, std::vector<int32_t>& ids) const override {
    const ClipSplitRules rules = {kLiterals, /*ignore_case=*/false};
    while (ids.size() < limit) {
      const std::string_view word = NextClipWord(text, rules);
      if (word.empty()) return;
      if (word == kLiterals[0] || word == kLiterals[1]) {  // the byte level splits it once more, as GPT-2 would
        bpe_->Encode(word.substr(0, 2), ids);
        bpe_->Encode(word.substr(2, word.size() - 4), ids);
        bpe_->Encode(word.substr(word.size() - 2), ids);
      } else {
        bpe_->Encode(word, ids);
      }
    }
  }

 private:
  std::shared_ptr<const Bpe> bpe_;
};

Status CheckNormalizer(const Json& normalizer, const std::string& where) {
  const std::string expected = "NFC, Replace and Lowercase are supported with BPE";
  if (!normalizer.is_object()) return Unsupported(where, "is missing", expected);
  bool nfc = false, lower = false;
  JsonReader sequence(normalizer, where);
  const auto list = normalizer.find("normalizers");
  if (sequence.String("type", "") != "Sequence" || list == normalizer.end() || !list->is_array()) {
    return Unsupported(where, "is not a Sequence", expected);
  }
  for (const Json& step : *list) {
    JsonReader reader(step, where);
    const std::string type = reader.String("type", "");
    RETURN_IF_ERROR(reader.Check());
    nfc = nfc || type == "NFC";
    lower = lower || type == "Lowercase";
    if (type != "NFC" && type != "Lowercase" && type != "Replace") {
      return Unsupported(where, "holds \"" + type + "\"", expected);
    }
  }
  return nfc && lower ? Status::Ok() : Unsupported(where, "lacks NFC or Lowercase", expected);
}

Status CheckSplit(JsonReader& file) {
  JsonReader reader = file.Object("pre_tokenizer");
  RETURN_IF_ERROR(reader.Check());
  const Status wrong =
      Unsupported(reader.where(), "is not CLIP's", "Split by CLIP's pattern, then ByteLevel is supported");
  const auto list = reader.json().find("pretokenizers");
  if (list == reader.json().end() || !list->is_array() || list->size() != 2) return wrong;
  JsonReader split((*list)[0], reader.where());
  JsonReader bytes((*list)[1], reader.where());
  const std::string regex = split.Object("pattern").String("Regex", "");
  std::string_view pattern = regex;
  if (pattern.starts_with(kSplitLiterals)) pattern.remove_prefix(kSplitLiterals.size());
  const bool removed = split.String("type", "") == "Split" && split.String("behavior", "") == "Removed";
  const bool inverted = split.Bool("invert", false);
  const bool plain =
      bytes.String("type", "") == "ByteLevel" && !bytes.Bool("add_prefix_space", true) && bytes.Bool("use_regex", true);
  RETURN_IF_ERROR(split.Check());
  RETURN_IF_ERROR(bytes.Check());
  return pattern == kSplit && removed && inverted && plain ? Status::Ok() : wrong;
}

Status CheckMerges(const JsonReader& model, const HfJson& tables) {
  const auto list = model.json().find("merges");
  if (list == model.json().end() || !list->is_array()) return Corrupt(model.where(), "field \"merges\" is not a list");
  if (!tables.bad_merge) return Status::Ok();
  return Corrupt(model.where(), "merge " + std::to_string(*tables.bad_merge) + " is not two tokens");
}

Bpe::Alphabet MakeAlphabet(const Vocabulary& vocabulary, const std::string& unknown) {
  Bpe::Alphabet alphabet;
  bool complete = true;
  for (char32_t symbol = 33; symbol < 256 + 68; ++symbol) {
    const std::optional<unsigned char> byte = ByteOfSymbol(symbol);
    if (!byte) continue;
    std::string token;
    AppendUtf8(token, symbol);
    alphabet.inside[*byte] = vocabulary.Find(token).value_or(Bpe::kNone);
    alphabet.at_end[*byte] = vocabulary.Find(token.append(kEndOfWord)).value_or(Bpe::kNone);
    complete = complete && alphabet.inside[*byte] != Bpe::kNone && alphabet.at_end[*byte] != Bpe::kNone;
  }
  if (!complete) alphabet.unknown_id = vocabulary.Find(unknown).value_or(Bpe::kNone);
  return alphabet;
}

}  // namespace

Result<std::unique_ptr<HfModel>> MakeClipBpe(const Vocabulary& vocabulary, const MergeTexts& merges,
                                             const std::string& unknown, const std::string& where) {
  const Bpe::Alphabet alphabet = MakeAlphabet(vocabulary, unknown);
  std::vector<BpeMerge> ids;
  ids.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto left = vocabulary.Find(merges.left(i)), right = vocabulary.Find(merges.right(i));
    const auto result = vocabulary.Find(merges.joined(i));
    if (!left || !right || !result) {
      const std::string pair = std::string(merges.left(i)) + " " + std::string(merges.right(i));
      return Corrupt(where,
                     "merge " + std::to_string(i) + " (\"" + pair + "\") names a token that the vocabulary lacks");
    }
    ids.push_back({*left, *right, *result});
  }
  // Nearly always it is the vocabulary that is built in, whose whole words are known.
  std::shared_ptr<const Bpe> bpe;
  if (alphabet == ClipAlphabet() && ids == ClipMerges()) {
    bpe = std::shared_ptr<const Bpe>(std::shared_ptr<const Bpe>(), &ClipBpe());
  } else {
    bpe = std::make_shared<const Bpe>(alphabet, ids);
  }
  return std::unique_ptr<HfModel>(std::make_unique<ClipBpeModel>(std::move(bpe)));
}

Result<std::unique_ptr<HfModel>> ReadClipBpe(JsonReader& file, const Vocabulary& vocabulary, const HfJson& tables) {
  JsonReader model = file.Object("model");
  const std::string unknown = model.String("unk_token", "");
  const std::string suffix = model.String("end_of_word_suffix", "");
  const std::string prefix = model.String("continuing_subword_prefix", "");
  const double dropout = model.Double("dropout", 0);
  const bool other =
      model.Bool("byte_fallback", false) || model.Bool("ignore_merges", false) || model.Bool("fuse_unk", false);
  RETURN_IF_ERROR(model.Check());
  if (suffix != kEndOfWord || !prefix.empty() || dropout != 0 || other) {
    return Unsupported(model.where(), "is not CLIP's kind of BPE",
                       "end_of_word_suffix \"</w>\" without prefix, dropout, byte_fallback, ignore_merges or fuse_unk");
  }
  const auto normalizer = file.json().find("normalizer");
  RETURN_IF_ERROR(
      CheckNormalizer(normalizer == file.json().end() ? Json() : *normalizer, file.where() + ": normalizer"));
  RETURN_IF_ERROR(CheckSplit(file));
  RETURN_IF_ERROR(CheckMerges(model, tables));
  return MakeClipBpe(vocabulary, tables.merges, unknown, model.where());
}

}  // namespace diptych
