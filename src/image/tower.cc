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

void ImageTower::Forward(Context&, const ImageInput&, float*, nn::TowerCache*) { CHECK(false); }
void ImageTower::Backward(Context&, const float*, nn::TowerCache&, const nn::GroupDone&) { CHECK(false); }
std::unique_ptr<nn::TowerCache> ImageTower::MakeCache(const nn::CacheOptions&) const { return nullptr; }

}  // namespace diptych
