#include "text/tokenizer.h"

#include <filesystem>

#include "text/tokenizer_json.h"

namespace diptych {

Result<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder, const TokenizerOptions& options) {
  const std::string path = folder + "/tokenizer.json";
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return LoadTokenizerJson(path, options);
  return NotFound(folder, "holds no tokenizer", "tokenizer.json was looked for");
}

}  // namespace diptych
