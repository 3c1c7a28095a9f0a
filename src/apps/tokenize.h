// Texts -> token ids, as a model's text tower sees them.
#ifndef DIPTYCH_APPS_TOKENIZE_H_
#define DIPTYCH_APPS_TOKENIZE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/status.h"
#include "text/tokenizer.h"

namespace diptych {

/// The tokenizer of a model, without its weights.
Result<std::unique_ptr<Tokenizer>> LoadModelTokenizer(const std::string& model);

/// Returning false stops the run. `ids` have no padding.
using TokensSink = std::function<bool(const std::string& text, std::span<const int32_t> ids)>;

/// Hands each text's ids to the sink or, where `out` is not empty, writes an int32 .npy (N, context), padded with the
/// checkpoint's pad id, and the texts beside it.
Status Tokenize(const Tokenizer& tokenizer, std::span<const std::string> texts, const std::string& out,
                const TokensSink& sink);

}  // namespace diptych

#endif  // DIPTYCH_APPS_TOKENIZE_H_
