#include "apps/tokenize.h"

#include "apps/array_file.h"
#include "apps/runtime.h"
#include "clip/config.h"
#include "clip/models.h"

namespace diptych {

Result<std::unique_ptr<Tokenizer>> LoadModelTokenizer(const std::string& model) {
  ASSIGN_OR_RETURN(const ResolvedModel resolved, ResolveModel(ModelName(model)));
  ASSIGN_OR_RETURN(const ClipConfig config, LoadClipConfig(resolved.folder));
  if (config.builtin_tokenizer) return MakeClipTokenizer(config.tokenizer);
  return LoadTokenizer(resolved.folder, config.tokenizer);
}

Status Tokenize(const Tokenizer& tokenizer, std::span<const std::string> texts, const std::string& out,
                const TokensSink& sink) {
  if (texts.empty()) return InvalidArgument("", "no texts were given", "use --text T or --texts-file FILE");
  if (out.empty()) {
    for (const std::string& text : texts) {
      if (!sink(text, tokenizer.Encode(text))) break;
    }
    return Status::Ok();
  }
  const int64_t context = tokenizer.context_length();
  ASSIGN_OR_RETURN(ArrayFile file, ArrayFile::Create(out, DType::kI32, Shape{context}, RowNames::kTexts));
  for (const std::string& text : texts) {
    std::vector<int32_t> ids = tokenizer.Encode(text);
    ids.resize(static_cast<size_t>(context), tokenizer.pad_id());
    RETURN_IF_ERROR(file.Append(ids.data(), text));
  }
  return file.Finish();
}

}  // namespace diptych
