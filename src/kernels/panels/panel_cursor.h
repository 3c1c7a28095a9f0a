// Where one row of a product after the other goes. Private to kernels/.
#ifndef DIPTYCH_KERNELS_PANELS_PANEL_CURSOR_H_
#define DIPTYCH_KERNELS_PANELS_PANEL_CURSOR_H_

#include <algorithm>

#include "kernels/panels/panel_product.h"

namespace diptych::kernels {

class PanelCursor {
 public:
  explicit PanelCursor(const PixelFrame& frame) : frame_(frame) {}

  /// The next row's pixel.
  int64_t Next() { return Run(1).first; }

  struct Pixels {
    int64_t first, count;
  };
  /// As many of the next `most` rows as lie side by side.
  Pixels Run(int64_t most) {
    const Pixels run{at_, std::min(most, frame_.width - x_)};
    at_ += run.count;
    x_ += run.count;
    if (x_ < frame_.width) return run;
    x_ = 0;
    at_ += frame_.row_gap;
    if (++y_ == frame_.height) {
      y_ = 0;
      at_ += frame_.map_gap;
    }
    return run;
  }

 private:
  PixelFrame frame_;
  int64_t x_ = 0, y_ = 0, at_ = 0;
};

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PANELS_PANEL_CURSOR_H_
