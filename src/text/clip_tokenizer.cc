#include <array>

#include "core/check.h"
#include "text/clean.h"
#include "text/clip_split.h"
#include "text/clip_vocabulary.h"
#include "text/tokenizer.h"

namespace diptych {
namespace {

constexpr std::string_view kStartText = "<start_of_text>", kEndText = "<end_of_text>";
constexpr std::array kLiterals = {kStartText, kEndText};

class ClipTokenizer final : public Tokenizer {
 public:
  explicit ClipTokenizer(const TokenizerOptions& options) : options_(options), bpe_(ClipBpe()) {
    CHECK_GE(options.context_length, 2);
  }

  std::vector<int32_t> EncodeUpTo(std::string_view text, size_t max_ids) const override {
    const std::string cleaned = CleanText(text, options_.clean);
    const size_t limit = max_ids - 1;
    std::vector<int32_t> ids;
    ids.reserve(16);
    ids.push_back(kClipStart);
    std::string_view rest = cleaned;
    const ClipSplitRules rules = {kLiterals, /*ignore_case=*/true};
    while (ids.size() < limit) {
      const std::string_view word = NextClipWord(rest, rules);
      if (word.empty()) break;
      // Only the exact spelling is the token; others were kept whole by the split, but are ordinary words.
      if (word == kStartText) {
        ids.push_back(kClipStart);
      } else if (word == kEndText) {
        ids.push_back(kClipEnd);
      } else {
        bpe_.Encode(word, ids);
      }
    }
    if (ids.size() > limit) ids.resize(limit);
    ids.push_back(kClipEnd);
    return ids;
  }

  int context_length() const override { return options_.context_length; }
  int32_t pad_id() const override { return options_.pad_id; }
  int32_t vocab_size() const override { return kClipVocabSize; }
  std::string description() const override {
    return "CLIP byte-pair encoding, " + std::to_string(kClipVocabSize) + " tokens, built in";
  }

 private:
  TokenizerOptions options_;
  const Bpe& bpe_;
};

}  // namespace

std::unique_ptr<Tokenizer> MakeClipTokenizer(const TokenizerOptions& options) {
  return std::make_unique<ClipTokenizer>(options);
}

}  // namespace diptych
