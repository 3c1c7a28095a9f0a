// Inverted residual blocks over maps in panels: expand, filter each channel, project, a panel of the expanded map at a
// time, which never leaves the cache.
#ifndef DIPTYCH_KERNELS_PANELS_RESIDUAL_BLOCK_H_
#define DIPTYCH_KERNELS_PANELS_RESIDUAL_BLOCK_H_

#include <optional>

#include "core/context.h"
#include "kernels/conv/conv.h"
#include "kernels/panels/panel_filter.h"
#include "kernels/panels/panel_product.h"

namespace diptych::kernels {

/// `expand` is absent where the filters take the block's input; a block with `stem` takes pixels.
struct ResidualBlock {
  std::optional<PanelWeight> stem;    // 27 inputs, as PixelColumns orders them
  ConvGeometry stem_geometry;
  std::optional<PanelWeight> expand;
  ConvGeometry geometry;  // of the filters
  PanelFilter filter;
  PanelWeight project;
  bool shortcut = false;
};

/// Maps (pictures, height, width) that go in, or pictures of these sides.
struct ResidualInput {
  Panels x;
  const float* pixels = nullptr;  // (pictures, 3, S, S), of a block with a stem
  int64_t pictures = 0;
  int height = 0, width = 0;
};

/// Bytes of scratch that each thread of the context needs for a block over maps of one picture of this size.
int64_t ResidualScratch(const ResidualBlock& block, int64_t pictures, int height, int width);

/// y is the block's output, apart from x. `scratch`: context.threads() times `scratch_bytes`.
void RunResidual(const Context& context, const ResidualBlock& block, const ResidualInput& input, std::byte* scratch,
                 int64_t scratch_bytes, const MutablePanels& y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PANELS_RESIDUAL_BLOCK_H_
