#include "text/hf_files.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/file.h"
#include "core/json.h"
#include "text/hf_models.h"

namespace diptych {
namespace {

// In the order in which transformers adds them: where two name the same token, the later one's switches hold.
constexpr const char* kSpecialRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};

using SpecialTokens = std::map<std::string, AddedToken>;  // by role; without ids

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Result<AddedToken> ReadToken(const Json& json, const std::string& where) {
  AddedToken token;
  if (json.is_string()) {
    token.content = json.get<std::string>();
    return token;
  }
  JsonReader reader(json, where);
  token.content = reader.String("content", "");
  token.id = static_cast<int32_t>(reader.Int("id", -1, 0, kMaxTokenId));
  token.normalized = reader.Bool("normalized", false);
  token.single_word = reader.Bool("single_word", false);
  token.lstrip = reader.Bool("lstrip", false);
  token.rstrip = reader.Bool("rstrip", false);
  RETURN_IF_ERROR(reader.Check());
  if (token.content.empty()) return Corrupt(where, "a token lacks its content");
  return token;
}

Status ReadSpecialTokens(const std::string& path, SpecialTokens& tokens) {
  if (!Exists(path)) return Status::Ok();
  ASSIGN_OR_RETURN(const Json json, LoadJson(path));
  RETURN_IF_ERROR(JsonReader(json, path).Check());
  for (const char* role : kSpecialRoles) {
    const auto it = json.find(role);
    if (it == json.end() || it->is_null()) continue;
    ASSIGN_OR_RETURN(tokens[role], ReadToken(*it, path + ": " + role));
  }
  return Status::Ok();
}

Result<SpecialTokens> LoadSpecialTokens(const std::string& folder) {
  SpecialTokens tokens;
  RETURN_IF_ERROR(ReadSpecialTokens(folder + "/tokenizer_config.json", tokens));
  RETURN_IF_ERROR(ReadSpecialTokens(folder + "/special_tokens_map.json", tokens));
  return tokens;
}

// Adds the special tokens that the vocabulary has. Those of tokenizer.json, already in `added`, stay as they are.
void AddSpecialTokens(const SpecialTokens& special, const Vocabulary& vocabulary, std::vector<AddedToken>& added) {
  const size_t fixed = added.size();
  for (const char* role : kSpecialRoles) {
    const auto it = special.find(role);
    if (it == special.end()) continue;
    AddedToken token = it->second;
    const std::optional<int32_t> id = vocabulary.Find(token.content);
    if (!id) continue;
    token.id = *id;
    const auto same = std::find_if(added.begin(), added.end(),
                                   [&](const AddedToken& other) { return other.content == token.content; });
    if (same == added.end()) {
      added.push_back(std::move(token));
    } else if (same >= added.begin() + static_cast<ptrdiff_t>(fixed)) {
      *same = std::move(token);
    }
  }
}

int32_t PadId(const SpecialTokens& special, const Vocabulary& vocabulary, const std::vector<AddedToken>& added,
              int32_t missing) {
  const auto pad = special.find("pad_token");
  if (pad == special.end()) return missing;
  for (const AddedToken& token : added) {
    if (token.content == pad->second.content) return token.id;
  }
  return vocabulary.Find(pad->second.content).value_or(missing);
}

Status ReadAddedTokens(const JsonReader& file, std::vector<AddedToken>& added, int32_t& vocab_size) {
  const auto it = file.json().find("added_tokens");
  if (it == file.json().end() || it->is_null()) return Status::Ok();
  const std::string where = file.where() + ": added_tokens";
  if (!it->is_array()) return Corrupt(where, "is not a list");
  for (const Json& item : *it) {
    ASSIGN_OR_RETURN(AddedToken token, ReadToken(item, where));
    if (!item.is_object() || token.id < 0) return Corrupt(where, "\"" + token.content + "\" lacks its id");
    vocab_size = std::max(vocab_size, token.id + 1);
    added.push_back(std::move(token));
  }
  return Status::Ok();
}

// ["<|endoftext|>", 49407]
Result<int32_t> ReadRobertaToken(const JsonReader& reader, const char* role) {
  const auto it = reader.json().find(role);
  const bool is_pair = it != reader.json().end() && it->is_array() && it->size() == 2;
  const bool well_formed = is_pair && (*it)[1].is_number_unsigned();
  if (!well_formed || (*it)[1].get<uint64_t>() > static_cast<uint64_t>(kMaxTokenId)) {
    return Corrupt(reader.where(), std::string("field \"") + role + "\" is not a token and its id");
  }
  return (*it)[1].get<int32_t>();
}

// The pieces of a TemplateProcessing for one text.
Status ReadTemplate(const JsonReader& reader, const Vocabulary& vocabulary, HfParts& parts) {
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
    (seen_text ? parts.after : parts.before).push_back(*id);
  }
  return seen_text ? Status::Ok() : Corrupt(reader.where(), "\"single\" holds no text");
}

Status ReadPostProcessor(JsonReader& file, const Vocabulary& vocabulary, HfParts& parts) {
  JsonReader reader = file.Object("post_processor");
  const std::string type = reader.String("type", "");
  RETURN_IF_ERROR(reader.Check());
  if (type == "TemplateProcessing") return ReadTemplate(reader, vocabulary, parts);
  if (type != "RobertaProcessing") {
    return Unsupported(reader.where(), "is \"" + type + "\"", "TemplateProcessing and RobertaProcessing are supported");
  }
  ASSIGN_OR_RETURN(const int32_t start, ReadRobertaToken(reader, "cls"));
  ASSIGN_OR_RETURN(const int32_t end, ReadRobertaToken(reader, "sep"));
  parts.before = {start};
  parts.after = {end};
  for (const int32_t id : {start, end}) parts.vocab_size = std::max(parts.vocab_size, id + 1);
  return Status::Ok();
}

Result<MergeTexts> LoadMerges(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, size_t{64} << 20));
  MergeTexts merges;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return Corrupt(path, "line " + std::to_string(number + 1) + " is not two tokens");
    }
    merges.Add(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

std::string Describe(const char* kind, int32_t vocab_size, const char* file) {
  return std::string(kind) + ", " + std::to_string(vocab_size) + " tokens, " + file;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> LoadTokenizerJson(const std::string& folder, const TokenizerOptions& options) {
  const std::string path = folder + "/tokenizer.json";
  ASSIGN_OR_RETURN(HfJson loaded, LoadTokenizerJsonFile(path));
  JsonReader file(loaded.json, path);
  JsonReader model = file.Object("model");
  const std::string type = model.String("type", "");
  RETURN_IF_ERROR(file.Check());
  RETURN_IF_ERROR(model.Check());
  const bool is_bpe = type == "BPE";
  if (!is_bpe && type != "WordPiece") {
    return Unsupported(model.where(), "is of type \"" + type + "\"", "WordPiece and BPE are supported");
  }
  const JsonReader vocab = model.Object("vocab");
  RETURN_IF_ERROR(vocab.Check());
  if (loaded.vocabulary.size() == 0) return Corrupt(vocab.where(), "has no tokens");
  Vocabulary vocabulary = std::move(loaded.vocabulary);
  HfParts parts;
  parts.vocab_size = loaded.vocab_size;
  RETURN_IF_ERROR(ReadAddedTokens(file, parts.added, parts.vocab_size));
  for (const AddedToken& token : parts.added) vocabulary.Add(token.content, token.id);
  ASSIGN_OR_RETURN(const SpecialTokens special, LoadSpecialTokens(folder));
  AddSpecialTokens(special, vocabulary, parts.added);
  RETURN_IF_ERROR(ReadPostProcessor(file, vocabulary, parts));
  TokenizerOptions with_pad = options;
  with_pad.pad_id = PadId(special, vocabulary, parts.added, options.pad_id);
  if (is_bpe) {
    ASSIGN_OR_RETURN(parts.model, ReadClipBpe(file, vocabulary, loaded));
  } else {
    ASSIGN_OR_RETURN(parts.model, ReadWordPiece(file, std::move(vocabulary)));
  }
  parts.description =
      Describe(is_bpe ? "CLIP byte-pair encoding" : "BERT WordPiece", parts.vocab_size, "tokenizer.json");
  return MakeHfTokenizer(std::move(parts), with_pad, path);
}

Result<std::unique_ptr<Tokenizer>> LoadVocabAndMerges(const std::string& folder, const TokenizerOptions& options) {
  const std::string path = folder + "/vocab.json", merges_path = folder + "/merges.txt";
  ASSIGN_OR_RETURN(const HfJson loaded, LoadVocabularyFile(path));
  const Vocabulary& vocabulary = loaded.vocabulary;
  HfParts parts;
  parts.vocab_size = loaded.vocab_size;
  ASSIGN_OR_RETURN(const auto merges, LoadMerges(merges_path));
  SpecialTokens special;
  special["bos_token"].content = "<|startoftext|>";
  for (const char* role : {"eos_token", "unk_token", "pad_token"}) special[role].content = "<|endoftext|>";
  ASSIGN_OR_RETURN(SpecialTokens named, LoadSpecialTokens(folder));
  for (auto& [role, token] : named) special[role] = std::move(token);
  const auto start = vocabulary.Find(special["bos_token"].content), end = vocabulary.Find(special["eos_token"].content);
  if (!start || !end) {
    return Corrupt(path, "lacks \"" + special[start ? "eos_token" : "bos_token"].content + "\"",
                   "a CLIP vocabulary has its start and end tokens");
  }
  parts.before = {*start};
  parts.after = {*end};
  AddSpecialTokens(special, vocabulary, parts.added);
  TokenizerOptions with_pad = options;
  with_pad.pad_id = PadId(special, vocabulary, parts.added, options.pad_id);
  ASSIGN_OR_RETURN(parts.model, MakeClipBpe(vocabulary, merges, special["unk_token"].content, merges_path));
  parts.description = Describe("CLIP byte-pair encoding", parts.vocab_size, "vocab.json and merges.txt");
  return MakeHfTokenizer(std::move(parts), with_pad, path);
}

}  // namespace diptych
