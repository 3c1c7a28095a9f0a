// Pictures or texts -> embeddings, in constant memory.
#ifndef DIPTYCH_APPS_EMBED_H_
#define DIPTYCH_APPS_EMBED_H_

#include <functional>
#include <span>
#include <string>

#include "apps/inputs.h"
#include "apps/runtime.h"
#include "diptych/embed.h"

namespace diptych {

/// One picture's path or one text, and its embedding (E), valid during the call. An error ends the run.
using EmbeddingRowSink = std::function<Status(const std::string& name, std::span<const float> embedding)>;

/// Hands over the pictures that can be read, in order.
Result<RunCounts> EmbedPictureRows(const Clip& clip, PictureInputs& inputs, const BatchOptions& batch,
                                   const Runtime& runtime, const EmbeddingRowSink& sink);

/// Hands over every text, in order.
Result<RunCounts> EmbedTextRows(const Clip& clip, std::span<const std::string> texts, bool normalize,
                                const Runtime& runtime, const EmbeddingRowSink& sink);

}  // namespace diptych

#endif  // DIPTYCH_APPS_EMBED_H_
