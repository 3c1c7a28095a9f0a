// Shapes of OpenAI's ModifiedResNet image tower.
#ifndef DIPTYCH_IMAGE_RESNET_CONFIG_H_
#define DIPTYCH_IMAGE_RESNET_CONFIG_H_

#include <array>

namespace diptych {

struct ResNetConfig {
  int image_size = 224;                      // S, such that the last map has S / 32 rows
  int embed_dim = 0;                         // E
  std::array<int, 4> layers = {3, 4, 6, 3};  // bottleneck blocks of each stage
  int width = 64;                            // channels after the stem; the last map has 32 times as many
  int heads = 32;                            // of the attention pool
  float batch_norm_eps = 1e-5f;
};

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_RESNET_CONFIG_H_
