#include "text/added_tokens.h"

#include <algorithm>
#include <numeric>

#include "text/unicode.h"

namespace diptych {
namespace {

// Where the character before `end` begins. REQUIRES: 0 < end.
size_t PreviousCharacter(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

bool WordBefore(std::string_view text, size_t end) {
  if (end == 0) return false;
  size_t begin = PreviousCharacter(text, end);
  return IsWordCharacter(DecodeNext(text, begin));
}

bool WordAfter(std::string_view text, size_t begin) {
  return begin < text.size() && IsWordCharacter(DecodeNext(text, begin));
}

size_t SkipSpaceBackwards(std::string_view text, size_t end, size_t limit) {
  while (end > limit) {
    const size_t begin = PreviousCharacter(text, end);
    size_t next = begin;
    if (!IsWhiteSpace(DecodeNext(text, next))) break;
    end = begin;
  }
  return end;
}

size_t SkipSpace(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    size_t next = begin;
    if (!IsWhiteSpace(DecodeNext(text, next))) break;
    begin = next;
  }
  return begin;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  const auto repeated = std::unique(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content == b.content;
  });
  tokens_.erase(repeated, tokens_.end());
  for (const AddedToken& token : tokens_) ++starts_[static_cast<unsigned char>(token.content[0]) + 1];
  std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
}

// Tokens that share their first n bytes are neighbours, and one that ends there is the first of them: each byte of the
// text leaves a smaller range, so that a vocabulary of added tokens costs no more than a few.
const AddedToken* AddedTokens::Find(std::string_view text, size_t i) const {
  const auto byte = static_cast<unsigned char>(text[i]);
  const std::string_view rest = text.substr(i);
  const AddedToken* longest = nullptr;
  auto first = tokens_.begin() + starts_[byte], last = tokens_.begin() + starts_[byte + 1u];
  for (size_t n = 1; first != last; ++n) {
    if (first->content.size() == n) longest = &*first++;
    if (n == rest.size()) break;
    const auto at = [n](const AddedToken& token) { return static_cast<unsigned char>(token.content[n]); };
    const auto next = static_cast<unsigned char>(rest[n]);
    first = std::partition_point(first, last, [&](const AddedToken& token) { return at(token) < next; });
    last = std::partition_point(first, last, [&](const AddedToken& token) { return at(token) == next; });
  }
  return longest;
}

void AddedTokens::Split(std::string_view text, const std::function<void(std::string_view)>& on_text,
                        const std::function<void(int32_t)>& on_token) const {
  size_t begin = 0;  // of what has not been handed out
  for (size_t i = 0; i < text.size();) {
    const AddedToken* token = Find(text, i);
    if (token == nullptr) {
      ++i;
      continue;
    }
    size_t first = i, last = i + token->content.size();
    i = last;
    if (token->single_word && (WordBefore(text, first) || WordAfter(text, last))) continue;
    if (token->lstrip) first = SkipSpaceBackwards(text, first, begin);
    if (token->rstrip) last = SkipSpace(text, last);
    if (first > begin) on_text(text.substr(begin, first - begin));
    on_token(token->id);
    begin = i = last;
  }
  if (begin < text.size()) on_text(text.substr(begin));
}

}  // namespace diptych
