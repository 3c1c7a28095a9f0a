// ModifiedResNet (Radford et al., 2021, section 2.4), open_clip's class of that name: three convolutions as the stem,
// an average pool before each convolution that would have a stride, an attention pool in place of the mean.
#ifndef DIPTYCH_IMAGE_RESNET_H_
#define DIPTYCH_IMAGE_RESNET_H_

#include <memory>

#include "image/resnet_config.h"
#include "image/tower.h"

namespace diptych {

/// Parameters are named "visual.conv1.weight", "visual.layer1.0.conv1.weight", "visual.layer1.0.downsample.0.weight",
/// "visual.attnpool.q_proj.weight", ..., as in open_clip's state dict.
std::unique_ptr<ImageTower> MakeResNet(const ResNetConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_RESNET_H_
