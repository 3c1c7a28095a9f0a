// CLIP's built-in vocabulary as the files that transformers' CLIPTokenizer reads.
#ifndef DIPTYCH_TEXT_CLIP_FILES_H_
#define DIPTYCH_TEXT_CLIP_FILES_H_

#include <string>
#include <utility>
#include <vector>

namespace diptych {

/// (name, content) of vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json.
std::vector<std::pair<std::string, std::string>> ClipTokenizerFiles(int context_length);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_CLIP_FILES_H_
