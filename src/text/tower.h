// The text tower: packed token ids -> embeddings (B, E). A new encoder is a file beside this one, an alternative of
// TextTowerConfig, a line in MakeTextTower and a row in clip/config.
#ifndef DIPTYCH_TEXT_TOWER_H_
#define DIPTYCH_TEXT_TOWER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/context.h"
#include "core/status.h"
#include "core/tensor.h"
#include "kernels/products/packed_weight.h"
#include "nn/linear.h"
#include "nn/param.h"
#include "nn/tower_cache.h"
#include "text/bert_config.h"
#include "text/transformer_config.h"

namespace diptych {

/// B texts of unequal length, one after the other without padding: M = sum of lengths rows. Where only `pooled` is
/// wanted, a causal tower computes once what texts next to each other begin with: sorted texts cost the least.
struct TextInput {
  std::span<const int32_t> ids;      // (M)
  std::span<const int32_t> lengths;  // (B), each 1 to context_length
};

/// What is wanted of a forward pass; nothing else is computed. Null and empty mean: not wanted.
struct TextOutput {
  float* pooled = nullptr;          // (B, E), before L2 normalisation
  float* tokens = nullptr;          // (M, D), what the pooling pools
  std::span<float* const> hidden;   // hidden[k]: (M, D), the output of block k
};

struct TextTowerInfo {
  int context_length = 0;  // most tokens of a text
  int vocab_size = 0;      // V
  int width = 0;           // D
  int layers = 0;          // L, the number of hidden states
  int embed_dim = 0;       // E
  /// Padding changes the answer: texts must be padded to context_length with the tokenizer's pad id.
  bool sees_padding = false;
};

/// Immutable, shared between threads.
class TextTowerPlan {
 public:
  virtual ~TextTowerPlan() = default;
  virtual const TextTowerInfo& info() const = 0;
  /// REQUIRES: 0 <= id < vocab_size (tokenizers are checked against the tower when a model is loaded).
  virtual void Forward(Context& context, const TextInput& input, const TextOutput& output) const = 0;
};

/// The module: the checkpoint's tensors as they are.
class TextTower {
 public:
  virtual ~TextTower() = default;
  virtual const TextTowerInfo& info() const = 0;
  /// Names are open_clip's ("text. ...", or without the prefix for its built-in tower).
  void Visit(const nn::ParamVisitor& visit) {
    for (int group = 0; group < group_count(); ++group) VisitGroup(group, visit);
  }
  /// The parameters by depth: 0 the embedding or stem, then a group a block, the last one what comes after the blocks.
  /// Freezing, layer-wise rates and the order of gradients follow it.
  virtual int group_count() const = 0;
  virtual void VisitGroup(int group, const nn::ParamVisitor& visit) = 0;
  /// The fully connected layers of a group's block: where adapters go (nn::Lora). Other groups have none.
  virtual void VisitLinears(int group, const nn::LinearVisitor& visit) = 0;
  /// REQUIRES: every parameter has a value. The plan shares the embedding tables' mapping with the module.
  virtual std::unique_ptr<TextTowerPlan> Prepare(kernels::Precision precision) const = 0;

  /// The training pass: -> pooled (B, E), before L2 normalisation. With a cache it keeps what Backward needs; null:
  /// nothing is kept (a locked tower, or the first pass of gradient caching).
  /// REQUIRES: every parameter fp32 in one piece.
  virtual void Forward(Context& context, const TextInput& input, float* pooled, nn::TowerCache* cache) = 0;
  /// dpooled (B, E), of the pass that filled `cache`: adds to the gradient of every parameter that trains and computes
  /// no more than these need: it stops above the lowest group in which one does. `done` may be empty.
  virtual void Backward(Context& context, const float* dpooled, nn::TowerCache& cache, const nn::GroupDone& done) = 0;
  virtual std::unique_ptr<nn::TowerCache> MakeCache(const nn::CacheOptions& options) const = 0;
};

using TextTowerConfig = std::variant<TransformerConfig, BertConfig>;

std::unique_ptr<TextTower> MakeTextTower(const TextTowerConfig& config);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_TOWER_H_
