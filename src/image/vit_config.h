// Shapes of the vision transformer.
#ifndef DIPTYCH_IMAGE_VIT_CONFIG_H_
#define DIPTYCH_IMAGE_VIT_CONFIG_H_

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/products/gemm.h"

namespace diptych {

enum class VitPooling : uint8_t {
  kClassToken,  // the class token's row
  kAverage,     // mean over the patches' rows, the class token left out
};

struct VitConfig {
  int image_size = 224;   // S
  int patch_size = 32;    // P; the grid is floor(S / P), pixels beyond it are unused
  int width = 768;        // D
  int layers = 12;        // L
  int heads = 12;         // NH
  int mlp_width = 3072;   // F
  float layer_norm_eps = 1e-5f;
  kernels::Activation activation = kernels::Activation::kGelu;
  bool pre_norm = true;   // a layer norm before the first block (ln_pre)
  VitPooling pooling = VitPooling::kClassToken;
  bool norm_after_pool = false;  // ln_post on the pooled row; otherwise on every row before pooling
  int embed_dim = 512;    // E
  int merge_tokens = 0;   // tokens that each block of an inference plan merges away; training merges none
  kernels::WeightOrder projection_order = kernels::WeightOrder::kInOut;  // (D, E) in open_clip, (E, D) in transformers
};

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_VIT_CONFIG_H_
