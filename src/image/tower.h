// The image tower: pixels (B, 3, S, S) -> embeddings (B, E). A new encoder is a file beside this one, an alternative
// of ImageTowerConfig, a line in MakeImageTower and a row in clip/config.
#ifndef DIPTYCH_IMAGE_TOWER_H_
#define DIPTYCH_IMAGE_TOWER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/context.h"
#include "core/status.h"
#include "image/efficientnet_config.h"
#include "image/resnet_config.h"
#include "image/vit_config.h"
#include "kernels/products/packed_weight.h"
#include "nn/linear.h"
#include "nn/param.h"
#include "nn/tower_cache.h"

namespace diptych {

struct ImageInput {
  const float* pixels = nullptr;  // (B, 3, S, S)
  int64_t batch = 0;              // B
};

/// What is wanted of a forward pass; nothing else is computed. Null and empty mean: not wanted.
struct ImageOutput {
  float* pooled = nullptr;              // (B, E), before L2 normalisation
  float* tokens = nullptr;              // (B, T, D), what the pooling pools
  std::span<float* const> hidden;       // hidden[k]: the output of block k, (B, T, D) or (B, H, W, C)
};

/// Sizes that a caller needs to allocate an output.
struct ImageTowerInfo {
  int image_size = 0;             // S
  int embed_dim = 0;              // E
  int64_t token_count = 0;        // T of `tokens`
  int64_t token_width = 0;        // D of `tokens`
  double flops = 0;               // nominal, of one picture: 2 x the multiply-adds of all products and convolutions
  std::vector<int64_t> hidden_size;  // floats of hidden[k] for one picture; its length is the number of blocks
};

/// Immutable, shared between threads: norms folded, operations fused, weights packed.
class ImageTowerPlan {
 public:
  virtual ~ImageTowerPlan() = default;
  virtual const ImageTowerInfo& info() const = 0;
  virtual void Forward(Context& context, const ImageInput& input, const ImageOutput& output) const = 0;
};

/// The module: the checkpoint's tensors as they are.
class ImageTower {
 public:
  virtual ~ImageTower() = default;
  virtual const ImageTowerInfo& info() const = 0;
  /// Names are open_clip's ("visual. ...").
  void Visit(const nn::ParamVisitor& visit) {
    for (int group = 0; group < group_count(); ++group) VisitGroup(group, visit);
  }
  /// The parameters by depth: 0 the embedding or stem, then a group a block, the last one what comes after the blocks.
  /// Freezing, layer-wise rates and the order of gradients follow it.
  virtual int group_count() const = 0;
  virtual void VisitGroup(int group, const nn::ParamVisitor& visit) = 0;
  /// The fully connected layers of a group's block: where adapters go (nn::Lora). Other groups have none.
  virtual void VisitLinears(int /*group*/, const nn::LinearVisitor& /*visit*/) {}
  /// REQUIRES: every parameter has a value. The plan keeps nothing of the module.
  virtual std::unique_ptr<ImageTowerPlan> Prepare(kernels::Precision precision) const = 0;

  /// The training pass: -> pooled (B, E), before L2 normalisation, with batch statistics in batch norms. With a cache
  /// it keeps what Backward needs; null: nothing is kept (a locked tower, or the first pass of gradient caching).
  /// Running statistics move in passes with a cache alone. The pixels must live until Backward, which reads them again.
  /// REQUIRES: every parameter fp32 in one piece.
  virtual void Forward(Context& context, const ImageInput& input, float* pooled, nn::TowerCache* cache) = 0;
  /// dpooled (B, E), of the pass that filled `cache`: adds to the gradient of every parameter that trains and computes
  /// no more than these need: it stops above the lowest group in which one does. `done` may be empty.
  virtual void Backward(Context& context, const float* dpooled, nn::TowerCache& cache, const nn::GroupDone& done) = 0;
  virtual std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions& options) const = 0;
};

using ImageTowerConfig = std::variant<VitConfig, EfficientNetConfig, ResNetConfig>;

std::unique_ptr<ImageTower> MakeImageTower(const ImageTowerConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_TOWER_H_
