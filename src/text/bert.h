// BERT (Devlin et al., 2018) as transformers' BertModel, pooled and projected as open_clip's HFTextEncoder.
#ifndef DIPTYCH_TEXT_BERT_H_
#define DIPTYCH_TEXT_BERT_H_

#include <memory>

#include "text/bert_config.h"
#include "text/tower.h"

namespace diptych {

/// Parameters are named "text.transformer.embeddings.word_embeddings.weight", ..., "text.proj.weight". The query, key
/// and value of a block are one parameter here: "….attention.self.qkv.weight" (clip/names.cc joins them).
std::unique_ptr<TextTower> MakeBert(const BertConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_BERT_H_
