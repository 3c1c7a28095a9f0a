#include "text/hf_models.h"
#include "text/unicode.h"
#include "text/wordpiece.h"

namespace diptych {
namespace {

class BertModel final : public HfModel {
 public:
  BertModel(const BertNormalizer& normalizer, WordPieceModel model)
      : normalizer_(normalizer), model_(std::move(model)) {}

  std::string Normalize(std::string_view text) const override {
    return EncodeUtf8(normalizer_.Apply(DecodeUtf8(text)));
  }
  void Encode(std::string_view text, size_t limit, std::vector<int32_t>& ids) const override {
    model_.Encode(DecodeUtf8(text), limit, ids);
  }

 private:
  BertNormalizer normalizer_;
  WordPieceModel model_;
};

Result<BertNormalizer> ReadNormalizer(JsonReader& file) {
  JsonReader reader = file.Object("normalizer");
  const std::string type = reader.String("type", "");
  BertNormalizer normalizer;
  normalizer.clean_text = reader.Bool("clean_text", true);
  normalizer.handle_chinese_chars = reader.Bool("handle_chinese_chars", true);
  normalizer.lowercase = reader.Bool("lowercase", true);
  normalizer.strip_accents = reader.Bool("strip_accents", normalizer.lowercase);
  RETURN_IF_ERROR(reader.Check());
  if (type != "BertNormalizer") {
    return Unsupported(reader.where(), "is \"" + type + "\"", "with WordPiece a BertNormalizer is supported");
  }
  return normalizer;
}

}  // namespace

Result<std::unique_ptr<HfModel>> ReadWordPiece(JsonReader& file, Vocabulary vocabulary) {
  JsonReader reader = file.Object("model");
  WordPieceModel model;
  model.continuing_prefix = reader.String("continuing_subword_prefix", "##");
  model.max_chars_per_word = static_cast<int>(reader.Int("max_input_chars_per_word", 100, 1, 1000));
  const std::string unknown = reader.String("unk_token", "[UNK]");
  RETURN_IF_ERROR(reader.Check());
  model.vocabulary = std::move(vocabulary);
  const std::optional<int32_t> unknown_id = model.vocabulary.Find(unknown);
  if (!unknown_id) return Corrupt(reader.where(), "unk_token \"" + unknown + "\" is not in the vocabulary");
  model.unknown_id = *unknown_id;
  JsonReader splitter = file.Object("pre_tokenizer");
  const std::string split = splitter.String("type", "");
  RETURN_IF_ERROR(splitter.Check());
  if (split != "BertPreTokenizer") {
    return Unsupported(splitter.where(), "is \"" + split + "\"", "with WordPiece a BertPreTokenizer is supported");
  }
  ASSIGN_OR_RETURN(const BertNormalizer normalizer, ReadNormalizer(file));
  return std::unique_ptr<HfModel>(std::make_unique<BertModel>(normalizer, std::move(model)));
}

}  // namespace diptych
