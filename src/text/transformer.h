// CLIP's text transformer (Radford et al., 2021), as open_clip's TextTransformer and transformers' CLIPTextModel.
#ifndef DIPTYCH_TEXT_TRANSFORMER_H_
#define DIPTYCH_TEXT_TRANSFORMER_H_

#include <memory>

#include "text/tower.h"
#include "text/transformer_config.h"

namespace diptych {

/// Parameters are named as in open_clip's plain state dict: "token_embedding.weight", "positional_embedding",
/// "transformer.resblocks.0. ...", "ln_final.weight", "text_projection".
std::unique_ptr<TextTower> MakeTransformer(const TransformerConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_TRANSFORMER_H_
