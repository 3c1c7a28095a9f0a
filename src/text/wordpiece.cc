#include "text/wordpiece.h"

#include "text/unicode.h"

namespace diptych {
namespace {

// What BERT treats as a Chinese character: the CJK ideograph blocks, not kana or hangul.
bool IsCjkIdeograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool IsBertPunctuation(char32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return IsPunctuation(c);
}

bool IsBertControl(char32_t c) {
  return c != U'\t' && c != U'\n' && c != U'\r' && IsOther(c);
}

}  // namespace

std::u32string BertNormalizer::Apply(std::u32string_view text) const {
  std::u32string cleaned;
  cleaned.reserve(text.size());
  for (char32_t c : text) {
    if (clean_text) {
      if (c == 0 || c == 0xFFFD || IsBertControl(c)) continue;
      if (IsWhiteSpace(c)) c = U' ';
    }
    const bool isolate = handle_chinese_chars && IsCjkIdeograph(c);
    if (isolate) cleaned.push_back(U' ');
    cleaned.push_back(c);
    if (isolate) cleaned.push_back(U' ');
  }
  if (strip_accents) {
    cleaned = Nfd(cleaned);
    std::erase_if(cleaned, IsNonspacingMark);
  }
  if (!lowercase) return cleaned;
  std::u32string lower;
  lower.reserve(cleaned.size());
  for (const char32_t c : cleaned) AppendLower(lower, c);
  return lower;
}

void WordPieceModel::Encode(std::u32string_view text, size_t limit, std::vector<int32_t>& ids) const {
  for (size_t i = 0; i < text.size() && ids.size() < limit;) {
    if (IsWhiteSpace(text[i])) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    if (!IsBertPunctuation(text[i])) {
      while (end < text.size() && !IsWhiteSpace(text[end]) && !IsBertPunctuation(text[end])) ++end;
    }
    EncodeWord(text.substr(i, end - i), ids);
    i = end;
  }
}

void WordPieceModel::EncodeWord(std::u32string_view word, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  if (word.size() > static_cast<size_t>(max_chars_per_word)) {
    ids.push_back(unknown_id);
    return;
  }
  const std::string bytes = EncodeUtf8(word);
  std::string piece;
  for (size_t begin = 0; begin < bytes.size();) {
    size_t end = bytes.size();
    std::optional<int32_t> id;
    for (; end > begin; --end) {
      const bool inside_character = end < bytes.size() && (static_cast<unsigned char>(bytes[end]) & 0xC0) == 0x80;
      if (inside_character) continue;
      piece.assign(begin == 0 ? std::string_view() : continuing_prefix).append(bytes, begin, end - begin);
      id = vocabulary.Find(piece);
      if (id) break;
    }
    if (!id) {  // one unknown piece makes the word unknown
      ids.resize(before);
      ids.push_back(unknown_id);
      return;
    }
    ids.push_back(*id);
    begin = end;
  }
}

}  // namespace diptych
