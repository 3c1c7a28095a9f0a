// Shapes of CLIP's own text tower.
#ifndef DIPTYCH_TEXT_TRANSFORMER_CONFIG_H_
#define DIPTYCH_TEXT_TRANSFORMER_CONFIG_H_

#include <cstdint>
#include <string>

#include "kernels/activation.h"
#include "kernels/products/gemm.h"

namespace diptych {

/// Which row of the last block becomes the text's embedding.
enum class TextPooling : uint8_t {
  kArgmax,  // the first largest id: the end token, which is the last of CLIP's vocabulary
  kEos,     // the first eos_id; the first row where there is none
  kFirst,
  kLast,    // the last of context_length rows, normally padding
};

enum class TextProjection : uint8_t {
  kNone,
  kMatrix,  // "text_projection", no bias
  kLinear,  // "text_projection.weight" (E, D) and ".bias"
};

struct TransformerConfig {
  int context_length = 77;
  int vocab_size = 49408;  // V
  int width = 512;         // D
  int layers = 12;         // L
  int heads = 8;           // NH
  int mlp_width = 2048;    // F
  float layer_norm_eps = 1e-5f;
  kernels::Activation activation = kernels::Activation::kGelu;
  bool causal = true;      // without a mask every row sees the padding, so texts are padded to context_length
  TextPooling pooling = TextPooling::kArgmax;
  int32_t eos_id = 49407;
  int embed_dim = 512;     // E
  TextProjection projection = TextProjection::kMatrix;
  kernels::WeightOrder projection_order = kernels::WeightOrder::kInOut;  // of kMatrix: (D, E), or (E, D)
};

}  // namespace diptych

#endif  // DIPTYCH_TEXT_TRANSFORMER_CONFIG_H_
