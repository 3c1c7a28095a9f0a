#include "text/hf_json.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/json_scanner.h"

namespace diptych {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;
// ParseJson's limits, of which the tables are no part.
constexpr size_t kMaxEntries = size_t{4} << 20;
constexpr int kMaxDepth = 64;

class TableReader {
 public:
  TableReader(std::string_view text, std::string where) : text_(text), scanner_(text), where_(std::move(where)) {}

  Result<HfJson> ReadTokenizer() {
    const bool is_read = Members([this](const std::string& key) {
      if (key != "model") return scanner_.Skip(kMaxDepth);
      ForgetVocab();
      ForgetMerges();
      return scanner_.Peek() == '{' ? Model() : scanner_.Skip(kMaxDepth);
    });
    if (!is_read || !scanner_.End()) return Problem();
    rest_.append(text_.substr(kept_));
    ASSIGN_OR_RETURN(made_.json, ParseJson(rest_, where_));
    return std::move(made_);
  }

  Result<HfJson> ReadVocabulary() {
    if (!Vocab(where_) || !scanner_.End()) return Problem();
    return std::move(made_);
  }

 private:
  // An object, whose members' values `read_value` takes.
  template <class ReadValue>
  bool Members(ReadValue read_value) {
    std::string key;
    if (!scanner_.Expect('{')) return false;
    if (scanner_.Take('}')) return true;
    do {
      if (!scanner_.String(&key) || !scanner_.Expect(':') || !read_value(key)) return false;
    } while (scanner_.Take(','));
    return scanner_.Expect('}');
  }

  bool Model() {
    return Members([this](const std::string& key) {
      if (key == "vocab") {
        ForgetVocab();
        if (scanner_.Peek() == '{') return Cut("{}", [this] { return Vocab(where_ + ": model: vocab"); });
      } else if (key == "merges") {
        ForgetMerges();
        if (scanner_.Peek() == '[') return Cut("[]", [this] { return Merges(); });
      }
      return scanner_.Skip(kMaxDepth);
    });
  }

  // Where a name is there twice, the last one counts, as for a Json.
  void ForgetVocab() {
    made_.vocabulary = {};
    made_.vocab_size = 0;
  }
  void ForgetMerges() {
    made_.merges = {};
    made_.bad_merge.reset();
  }

  // Leaves what `read` takes out of the rest of the file, but for `placeholder`.
  template <class Read>
  bool Cut(std::string_view placeholder, Read read) {
    rest_.append(text_.substr(kept_, scanner_.position() - kept_)).append(placeholder);
    const bool is_read = read();
    kept_ = scanner_.position();
    return is_read;
  }

  bool Vocab(const std::string& where) {
    return Members([&](const std::string& token) {
      int64_t id = 0;
      if (!scanner_.Unsigned(&id) || id > kMaxTokenId) {
        const std::string range = "a number from 0 to " + std::to_string(kMaxTokenId);
        status_ = Corrupt(where, "the id of \"" + token + "\" is not " + range);
        return false;
      }
      made_.vocabulary.Set(token, static_cast<int32_t>(id));
      made_.vocab_size = std::max(made_.vocab_size, static_cast<int32_t>(id) + 1);
      return IsFewEntries();
    });
  }

  bool Merges() {
    if (!scanner_.Expect('[')) return false;
    if (scanner_.Take(']')) return true;
    do {
      if (!(scanner_.Peek() == '[' ? MergeOfTwo() : MergeInOne()) || !IsFewEntries()) return false;
    } while (scanner_.Take(','));
    return scanner_.Expect(']');
  }

  bool MergeInOne() {
    if (scanner_.Peek() != '"') return Bad() && scanner_.Skip(kMaxDepth);
    if (!scanner_.String(&left_)) return false;
    const size_t space = left_.find(' ');
    if (space == std::string::npos || left_.find(' ', space + 1) != std::string::npos) return Bad();
    return Merge(std::string_view(left_).substr(0, space), std::string_view(left_).substr(space + 1));
  }

  bool MergeOfTwo() {
    int strings = 0, others = 0;
    if (!scanner_.Expect('[')) return false;
    if (scanner_.Take(']')) return Bad();
    do {
      const bool is_string = scanner_.Peek() == '"';
      ++(is_string ? strings : others);
      if (!(is_string ? scanner_.String(strings == 1 ? &left_ : &right_) : scanner_.Skip(kMaxDepth)) || !IsFewEntries())
        return false;
    } while (scanner_.Take(','));
    if (!scanner_.Expect(']')) return false;
    return strings == 2 && others == 0 ? Merge(left_, right_) : Bad();
  }

  bool Merge(std::string_view left, std::string_view right) {
    if (!made_.bad_merge) made_.merges.Add(left, right);
    return true;
  }

  bool Bad() {
    if (!made_.bad_merge) made_.bad_merge = made_.merges.size();
    return true;
  }

  bool IsFewEntries() { return ++entries_ <= kMaxEntries; }

  // What ParseJson refuses is described as everywhere; then comes what only tables refuse.
  Status Problem() {
    ASSIGN_OR_RETURN(const Json json, ParseJson(text_, where_));
    RETURN_IF_ERROR(JsonReader(json, where_).Check());
    return status_.ok() ? Corrupt(where_, scanner_.problem()) : status_;
  }

  std::string_view text_;
  JsonScanner scanner_;
  std::string where_;
  std::string rest_;  // the text up to kept_, without the tables
  size_t kept_ = 0;
  size_t entries_ = 0;
  std::string left_, right_;
  HfJson made_;
  Status status_;
};

}  // namespace

Result<HfJson> LoadTokenizerJsonFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return TableReader(text, path).ReadTokenizer();
}

Result<HfJson> LoadVocabularyFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  ASSIGN_OR_RETURN(HfJson made, TableReader(text, path).ReadVocabulary());
  if (made.vocabulary.size() == 0) return Corrupt(path, "has no tokens");
  return made;
}

}  // namespace diptych
