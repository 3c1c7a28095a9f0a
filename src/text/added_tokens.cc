#include "text/added_tokens.h"

#include <algorithm>

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
                   [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  for (const AddedToken& token : tokens_) starts_[static_cast<unsigned char>(token.content[0])] = true;
}

const AddedToken* AddedTokens::Find(std::string_view text, size_t i) const {
  if (!starts_[static_cast<unsigned char>(text[i])]) return nullptr;
  const std::string_view rest = text.substr(i);
  const auto it = std::find_if(tokens_.begin(), tokens_.end(),
                               [&](const AddedToken& token) { return rest.starts_with(token.content); });
  return it == tokens_.end() ? nullptr : &*it;
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
