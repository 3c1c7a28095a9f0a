#include "text/hf_tokenizer.h"

#include "text/clean.h"

namespace diptych {
namespace {

class HfTokenizer final : public Tokenizer {
 public:
  HfTokenizer(HfParts parts, const TokenizerOptions& options) : parts_(std::move(parts)), options_(options) {
    std::vector<AddedToken> raw, normalized;
    for (const AddedToken& token : parts_.added) (token.normalized ? normalized : raw).push_back(token);
    for (AddedToken& token : normalized) token.content = parts_.model->Normalize(token.content);
    in_raw_ = AddedTokens(std::move(raw));
    in_normalized_ = AddedTokens(std::move(normalized));
  }

  std::vector<int32_t> EncodeUpTo(std::string_view text, size_t max_ids) const override {
    const size_t limit = max_ids - parts_.after.size();
    std::vector<int32_t> ids = parts_.before;
    const auto on_token = [&](int32_t id) { ids.push_back(id); };
    const auto on_normalized = [&](std::string_view part) {
      if (ids.size() < limit) parts_.model->Encode(part, limit, ids);
    };
    const auto on_raw = [&](std::string_view part) {
      if (ids.size() < limit) in_normalized_.Split(parts_.model->Normalize(part), on_normalized, on_token);
    };
    in_raw_.Split(CleanText(text, options_.clean), on_raw, on_token);
    if (ids.size() > limit) ids.resize(limit);
    ids.insert(ids.end(), parts_.after.begin(), parts_.after.end());
    return ids;
  }

  int context_length() const override { return options_.context_length; }
  int32_t pad_id() const override { return options_.pad_id; }
  int32_t vocab_size() const override { return parts_.vocab_size; }
  std::string description() const override { return parts_.description; }

 private:
  HfParts parts_;
  TokenizerOptions options_;
  AddedTokens in_raw_, in_normalized_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> MakeHfTokenizer(HfParts parts, const TokenizerOptions& options,
                                                   const std::string& where) {
  const size_t around = parts.before.size() + parts.after.size();
  if (options.context_length < 1 || static_cast<size_t>(options.context_length) <= around) {
    return InvalidArgument(where,
                           "a context of " + std::to_string(options.context_length) +
                               " tokens has no room for "
                               "text",
                           std::to_string(around) + " special tokens go around it");
  }
  return std::unique_ptr<Tokenizer>(std::make_unique<HfTokenizer>(std::move(parts), options));
}

}  // namespace diptych
