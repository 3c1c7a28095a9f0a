// BERT's WordPiece (Wu et al., 2016; Devlin et al., 2018), as Hugging Face's tokenizers library runs it.
#ifndef DIPTYCH_TEXT_WORDPIECE_H_
#define DIPTYCH_TEXT_WORDPIECE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace diptych {

/// BertNormalizer's four switches. Accents are also stripped where `strip_accents` is not said and `lowercase` is set.
struct BertNormalizer {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;

  std::u32string Apply(std::u32string_view text) const;
};

struct WordPieceModel {
  Vocabulary vocabulary;
  int32_t unknown_id = 0;
  std::string continuing_prefix = "##";
  int max_chars_per_word = 100;  // a longer word is unknown as a whole

  /// Splits normalized text into words at white space and around each punctuation mark, and each word greedily into
  /// its longest known pieces. Stops once `limit` ids are there.
  void Encode(std::u32string_view text, size_t limit, std::vector<int32_t>& ids) const;

 private:
  void EncodeWord(std::u32string_view word, std::vector<int32_t>& ids) const;
};

}  // namespace diptych

#endif  // DIPTYCH_TEXT_WORDPIECE_H_
