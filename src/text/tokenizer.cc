#include "text/tokenizer.h"

#include <filesystem>

#include "text/hf_files.h"

namespace diptych {

Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder, const TokenizerOptions& options) {
  std::error_code ignored;
  if (std::filesystem::exists(folder + "/tokenizer.json", ignored)) return LoadTokenizerJson(folder, options);
  if (std::filesystem::exists(folder + "/vocab.json", ignored)) return LoadVocabAndMerges(folder, options);
  return NotFound(folder, "holds no tokenizer", "tokenizer.json, or vocab.json and merges.txt, were looked for");
}

}  // namespace diptych
