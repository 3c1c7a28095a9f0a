// EfficientNet-Lite in bf16, its maps in panels of channels from the pixels to the mean.
#ifndef DIPTYCH_IMAGE_EFFICIENTNET_PANELS_H_
#define DIPTYCH_IMAGE_EFFICIENTNET_PANELS_H_

#include <vector>

#include "image/tower.h"
#include "kernels/panels/residual_block.h"
#include "nn/linear.h"

namespace diptych {

class EfficientNetPanels : public ImageTowerPlan {
 public:
  struct Parts {
    ImageTowerInfo info;
    std::vector<kernels::ResidualBlock> blocks;  // the first has the stem
    kernels::PanelWeight head;
    nn::LinearPlan projection;
  };
  explicit EfficientNetPanels(Parts parts);

  const ImageTowerInfo& info() const override { return parts_.info; }
  void Forward(Context& context, const ImageInput& input, const ImageOutput& output) const override;

 private:
  struct Map {
    int height, width;
    int64_t channels;
    int64_t pixels() const { return int64_t{height} * width; }
  };
  struct Piece;

  // Values of one map of a picture alone, before block first_, and of one of a whole piece, from there on.
  struct MapValues {
    int64_t alone = 0, together = 0;
  };
  MapValues LargestMaps(int64_t pictures) const;
  int64_t PieceValues(int64_t pictures) const;
  int64_t ScratchBytes(int64_t pictures) const;
  void ForwardPiece(const Context& context, const Piece& piece) const;
  // `picture`: the first one's place in the batch.
  void RunBlock(const Context& context, const Piece& piece, size_t k, const kernels::ResidualInput& input,
                int64_t picture, const kernels::MutablePanels& y) const;

  Parts parts_;
  std::vector<Map> maps_;  // what goes into each block (the filters of the first), and what comes out of the last
  size_t first_ = 0;       // from this block on a piece's pictures go through together
};

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_EFFICIENTNET_PANELS_H_
