// Shapes of a BERT text tower (transformers' BertModel inside open_clip's HFTextEncoder).
#ifndef DIPTYCH_TEXT_BERT_CONFIG_H_
#define DIPTYCH_TEXT_BERT_CONFIG_H_

#include <cstdint>

#include "kernels/activation.h"

namespace diptych {

enum class BertPooling : uint8_t { kMean, kCls };
enum class BertProjection : uint8_t { kNone, kLinear, kMlp };

struct BertConfig {
  int context_length = 77;
  int vocab_size = 30522;      // V
  int max_positions = 512;
  int token_types = 2;
  int width = 768;             // D
  int layers = 12;             // L
  int heads = 12;              // NH
  int mlp_width = 3072;        // F
  float layer_norm_eps = 1e-12f;
  kernels::Activation activation = kernels::Activation::kGelu;
  int32_t pad_id = 0;          // positions holding it are masked, wherever they are
  int embed_dim = 0;           // E
  BertPooling pooling = BertPooling::kMean;
  BertProjection projection = BertProjection::kLinear;  // linear: no bias; mlp: (D+E)/2 hidden, GELU, no biases
};

}  // namespace diptych

#endif  // DIPTYCH_TEXT_BERT_CONFIG_H_
