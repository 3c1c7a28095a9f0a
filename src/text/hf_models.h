// The two models of Hugging Face's tokenizers library that CLIP's text towers use, read from their files.
#ifndef DIPTYCH_TEXT_HF_MODELS_H_
#define DIPTYCH_TEXT_HF_MODELS_H_

#include <memory>
#include <string>

#include "core/json.h"
#include "text/hf_json.h"
#include "text/hf_tokenizer.h"
#include "text/vocabulary.h"

namespace diptych {

/// tokenizer.json with a WordPiece model, a BertNormalizer and a BertPreTokenizer.
Result<std::unique_ptr<HfModel>> ReadWordPiece(JsonReader& file, Vocabulary vocabulary);

/// tokenizer.json with a BPE model as CLIP's: NFC, lower case, CLIP's split, bytes, "</w>" at the end of words.
Result<std::unique_ptr<HfModel>> ReadClipBpe(JsonReader& file, const Vocabulary& vocabulary, const HfJson& tables);

/// The same from the parts of vocab.json and merges.txt.
Result<std::unique_ptr<HfModel>> MakeClipBpe(const Vocabulary& vocabulary, const MergeTexts& merges,
                                             const std::string& unknown, const std::string& where);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_HF_MODELS_H_
