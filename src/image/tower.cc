#include "image/tower.h"

#include "image/efficientnet.h"
#include "image/resnet.h"
#include "image/vit.h"

namespace diptych {
namespace {

std::unique_ptr<ImageTower> Make(const VitConfig& config) { return MakeVit(config); }
std::unique_ptr<ImageTower> Make(const EfficientNetConfig& config) { return MakeEfficientNet(config); }
std::unique_ptr<ImageTower> Make(const ResNetConfig& config) { return MakeResNet(config); }

}  // namespace

std::unique_ptr<ImageTower> MakeImageTower(const ImageTowerConfig& config) {
  return std::visit([](const auto& one) { return Make(one); }, config);
}

}  // namespace diptych
