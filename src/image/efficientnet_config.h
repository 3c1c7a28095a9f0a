// Shapes of the EfficientNet-Lite image tower (timm's tf_efficientnet_lite*).
#ifndef DIPTYCH_IMAGE_EFFICIENTNET_CONFIG_H_
#define DIPTYCH_IMAGE_EFFICIENTNET_CONFIG_H_

#include <vector>

namespace diptych {

/// A stage: `depth` inverted residual blocks, the first with `stride`.
struct EfficientNetStage {
  int depth;
  int kernel;
  int stride;
  int expand;   // 1: depthwise-separable block without expansion
  int out_channels;
};

struct EfficientNetConfig {
  int image_size = 224;  // S
  int embed_dim = 0;     // E
  int stem_channels = 32;
  int head_channels = 1280;
  std::vector<EfficientNetStage> stages;
  float batch_norm_eps = 1e-3f;  // TensorFlow's
  bool projection_bias = false;
};

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_EFFICIENTNET_CONFIG_H_
