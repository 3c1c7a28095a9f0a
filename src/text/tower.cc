#include "text/tower.h"

#include "text/bert.h"
#include "text/transformer.h"

namespace diptych {
namespace {

std::unique_ptr<TextTower> Make(const TransformerConfig& config) { return MakeTransformer(config); }
std::unique_ptr<TextTower> Make(const BertConfig& config) { return MakeBert(config); }

}  // namespace

std::unique_ptr<TextTower> MakeTextTower(const TextTowerConfig& config) {
  return std::visit([](const auto& one) { return Make(one); }, config);
}

}  // namespace diptych
