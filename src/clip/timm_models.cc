#include "clip/timm_models.h"

#include <algorithm>
#include <cmath>

namespace diptych {
namespace {

// timm's make_divisible: to a multiple of 8, but never down by more than a tenth.
int RoundChannels(double channels) {
  const int rounded = std::max(8, static_cast<int>(channels + 4) / 8 * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

}  // namespace

std::optional<EfficientNetConfig> EfficientNetByTimmName(const std::string& name) {
  struct Row {
    const char* name;
    double width, depth;  // multipliers (Tan and Le, 2019)
  };
  static constexpr Row kRows[] = {{"tf_efficientnet_lite0", 1.0, 1.0},
                                  {"tf_efficientnet_lite1", 1.0, 1.1},
                                  {"tf_efficientnet_lite2", 1.1, 1.2},
                                  {"tf_efficientnet_lite3", 1.2, 1.4},
                                  {"tf_efficientnet_lite4", 1.4, 1.8}};
  static constexpr EfficientNetStage kStages[] = {{1, 3, 1, 1, 16}, {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40},
                                                  {3, 3, 2, 6, 80}, {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192},
                                                  {1, 3, 1, 6, 320}};
  for (const Row& row : kRows) {
    if (name != row.name) continue;
    EfficientNetConfig config;
    for (size_t i = 0; i < std::size(kStages); ++i) {
      EfficientNetStage stage = kStages[i];
      stage.out_channels = RoundChannels(stage.out_channels * row.width);
      // The Lite variants keep the depth of the first and last stage, and the widths of stem and head.
      if (i != 0 && i + 1 != std::size(kStages)) stage.depth = static_cast<int>(std::ceil(stage.depth * row.depth));
      config.stages.push_back(stage);
    }
    return config;
  }
  return std::nullopt;
}

}  // namespace diptych
