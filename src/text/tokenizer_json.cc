#include "text/tokenizer_json.h"

#include <algorithm>

#include "core/json.h"
#include "text/added_tokens.h"
#include "text/clean.h"
#include "text/unicode.h"
#include "text/wordpiece.h"

namespace diptych {
namespace {

constexpr int64_t kMaxId = (1 << 24) - 1;

// What a TemplateProcessing puts around one text.
struct SpecialIds {
  std::vector<int32_t> before, after;
};

class WordPieceTokenizer final : public Tokenizer {
 public:
  WordPieceTokenizer(const TokenizerOptions& options, BertNormalizer normalizer, WordPieceModel model,
                     AddedTokens added, SpecialIds special, int32_t vocab_size)
      : options_(options),
        normalizer_(normalizer),
        model_(std::move(model)),
        added_(std::move(added)),
        special_(std::move(special)),
        vocab_size_(vocab_size) {}

  std::vector<int32_t> Encode(std::string_view text) const override {
    const size_t limit = static_cast<size_t>(options_.context_length) - special_.after.size();
    std::vector<int32_t> ids = special_.before;
    added_.Split(
        CleanText(text, options_.clean),
        [&](std::string_view part) { model_.Encode(normalizer_.Apply(DecodeUtf8(part)), limit, ids); },
        [&](int32_t id) { ids.push_back(id); });
    if (ids.size() > limit) ids.resize(limit);
    ids.insert(ids.end(), special_.after.begin(), special_.after.end());
    return ids;
  }

  int context_length() const override { return options_.context_length; }
  int32_t pad_id() const override { return options_.pad_id; }
  int32_t vocab_size() const override { return vocab_size_; }
  std::string description() const override {
    return "BERT WordPiece, " + std::to_string(vocab_size_) + " tokens, tokenizer.json";
  }

 private:
  TokenizerOptions options_;
  BertNormalizer normalizer_;
  WordPieceModel model_;
  AddedTokens added_;
  SpecialIds special_;
  int32_t vocab_size_;
};

Status ReadVocabulary(JsonReader& model, Vocabulary& vocabulary, int32_t& vocab_size) {
  JsonReader vocab = model.Object("vocab");
  RETURN_IF_ERROR(vocab.Check());
  vocabulary.Reserve(vocab.json().size());
  for (const auto& [token, id] : vocab.json().items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(kMaxId)) {
      return Corrupt(vocab.where(), "the id of \"" + token + "\" is not a number from 0 to " + std::to_string(kMaxId));
    }
    vocabulary.Add(token, id.get<int32_t>());
    vocab_size = std::max(vocab_size, id.get<int32_t>() + 1);
  }
  if (vocabulary.size() == 0) return Corrupt(vocab.where(), "has no tokens");
  return Status::Ok();
}

Status ReadAddedTokens(const Json& json, const std::string& path, std::vector<AddedToken>& tokens,
                       int32_t& vocab_size) {
  const auto it = json.find("added_tokens");
  if (it == json.end() || it->is_null()) return Status::Ok();
  if (!it->is_array()) return Corrupt(path, "field \"added_tokens\" is not a list");
  for (const Json& item : *it) {
    JsonReader reader(item, path + ": added_tokens");
    AddedToken token;
    token.content = reader.String("content", "");
    token.id = static_cast<int32_t>(reader.Int("id", -1, 0, kMaxId));
    RETURN_IF_ERROR(reader.Check());
    if (token.content.empty() || token.id < 0) return Corrupt(reader.where(), "an entry lacks its content or its id");
    vocab_size = std::max(vocab_size, token.id + 1);
    tokens.push_back(std::move(token));
  }
  return Status::Ok();
}

Result<BertNormalizer> ReadBertNormalizer(JsonReader& file) {
  JsonReader reader = file.Object("normalizer");
  const std::string type = reader.String("type", "");
  BertNormalizer normalizer;
  normalizer.clean_text = reader.Bool("clean_text", true);
  normalizer.handle_chinese_chars = reader.Bool("handle_chinese_chars", true);
  normalizer.lowercase = reader.Bool("lowercase", true);
  normalizer.strip_accents = reader.Bool("strip_accents", normalizer.lowercase);
  RETURN_IF_ERROR(reader.Check());
  if (type != "BertNormalizer") return Unsupported(reader.where(), "is \"" + type + "\", not BertNormalizer");
  return normalizer;
}

Result<SpecialIds> ReadTemplate(JsonReader& file, const Vocabulary& vocabulary) {
  JsonReader reader = file.Object("post_processor");
  const std::string type = reader.String("type", "");
  RETURN_IF_ERROR(reader.Check());
  SpecialIds special;
  if (type.empty()) return special;
  if (type != "TemplateProcessing") return Unsupported(reader.where(), "is \"" + type + "\", not TemplateProcessing");
  const auto single = reader.json().find("single");
  if (single == reader.json().end() || !single->is_array()) return Corrupt(reader.where(), "\"single\" is not a list");
  bool seen_text = false;
  for (const Json& piece : *single) {
    JsonReader item(piece, reader.where() + ": single");
    RETURN_IF_ERROR(item.Check());
    if (item.Has("Sequence")) {
      if (seen_text) return Unsupported(item.where(), "holds the text twice");
      seen_text = true;
      continue;
    }
    JsonReader token = item.Object("SpecialToken");
    const std::string name = token.String("id", "");
    RETURN_IF_ERROR(token.Check());
    const std::optional<int32_t> id = vocabulary.Find(name);
    if (!id) return Corrupt(item.where(), "names \"" + name + "\", which the vocabulary lacks");
    (seen_text ? special.after : special.before).push_back(*id);
  }
  if (!seen_text) return Corrupt(reader.where(), "\"single\" holds no text");
  return special;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> LoadTokenizerJson(const std::string& path, const TokenizerOptions& options) {
  ASSIGN_OR_RETURN(const Json json, LoadJson(path));
  JsonReader file(json, path);
  RETURN_IF_ERROR(file.Check());
  JsonReader model_reader = file.Object("model");
  const std::string type = model_reader.String("type", "");
  WordPieceModel model;
  model.continuing_prefix = model_reader.String("continuing_subword_prefix", "##");
  model.max_chars_per_word = static_cast<int>(model_reader.Int("max_input_chars_per_word", 100, 1, 1000));
  const std::string unknown = model_reader.String("unk_token", "[UNK]");
  RETURN_IF_ERROR(model_reader.Check());
  if (type != "WordPiece") return Unsupported(model_reader.where(), "is of type \"" + type + "\"", "WordPiece is read");
  int32_t vocab_size = 0;
  RETURN_IF_ERROR(ReadVocabulary(model_reader, model.vocabulary, vocab_size));
  const std::optional<int32_t> unknown_id = model.vocabulary.Find(unknown);
  if (!unknown_id) return Corrupt(model_reader.where(), "unk_token \"" + unknown + "\" is not in the vocabulary");
  model.unknown_id = *unknown_id;
  std::vector<AddedToken> added;
  RETURN_IF_ERROR(ReadAddedTokens(json, path, added, vocab_size));
  ASSIGN_OR_RETURN(const BertNormalizer normalizer, ReadBertNormalizer(file));
  ASSIGN_OR_RETURN(SpecialIds special, ReadTemplate(file, model.vocabulary));
  if (static_cast<size_t>(options.context_length) <= special.before.size() + special.after.size()) {
    return InvalidArgument(path, "a context of " + std::to_string(options.context_length) + " tokens holds no text");
  }
  return std::unique_ptr<Tokenizer>(std::make_unique<WordPieceTokenizer>(
      options, normalizer, std::move(model), AddedTokens(std::move(added)), std::move(special), vocab_size));
}

}  // namespace diptych
