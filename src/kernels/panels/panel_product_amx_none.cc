#include "core/check.h"
#include "kernels/panels/panel_product.h"

namespace diptych::kernels {

void MultiplyPanelsOnTiles(const PanelProduct&) {
  CHECK(false) << " no product of tiles on this processor";
}

}  // namespace diptych::kernels
