// The joint space: two towers, a tokenizer, a scale. Figure 1 of the CLIP paper (Radford et al., 2021).
#ifndef DIPTYCH_CLIP_CLIP_H_
#define DIPTYCH_CLIP_CLIP_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip/config.h"
#include "clip/model.h"
#include "clip/models.h"
#include "core/context.h"
#include "core/status.h"

namespace diptych {

struct LoadOptions {
  kernels::Precision precision = kernels::Precision::kF32;
  std::string precision_source = "asked for";  // of that choice, among the configuration's facts
  int merge_tokens = 0;                        // of a vision transformer: see VitConfig
  ResolveOptions resolve;
  /// Towers that will be used for certain: their plans are made while loading, beside each other and the tokenizer.
  bool prepare_image = false;
  bool prepare_text = false;
};

/// A loaded model. Const and thread safe after Load: each thread brings its own Context. A tower's plan is made at its
/// first use, so that classifying with saved label embeddings never touches the text tower.
class Clip {
 public:
  /// `name`: see ResolveModel. Errors: a missing, extra or wrongly shaped tensor by name, a configuration that
  /// contradicts its tensors, a tokenizer that does not fit its tower, tokens to be merged where the image
  /// tower has none.
  static Result<std::unique_ptr<Clip>> Load(const std::string& name, const LoadOptions& options = {});

  /// A model that is being trained, as it is now: plans are made of the values at their first use, so a new object is
  /// due after a training step. Shares the model's tokenizer and mapped tables.
  static std::unique_ptr<Clip> Of(std::shared_ptr<ClipModel> model);

  const ClipConfig& config() const { return model_->config; }
  const Tokenizer& tokenizer() const { return *model_->tokenizer; }
  kernels::Precision precision() const { return precision_; }
  int embed_dim() const { return config().embed_dim; }
  float logit_scale() const { return logit_scale_; }  // exp() already taken
  float logit_bias() const { return logit_bias_; }    // 0 where the model has none
  /// Names, shapes and a sample of every tensor, hashed: 16 hex digits. Embeddings of models whose fingerprints differ
  /// must not be compared.
  const std::string& fingerprint() const;
  int64_t parameter_count() const;  // buffers such as batch-norm statistics not counted, as in PyTorch

  /// pixels (B, 3, S, S), as Preprocess makes them -> embeddings (B, E), L2-normalised unless told otherwise.
  void EncodeImages(Context& context, const float* pixels, int64_t batch, float* embeddings,
                    bool normalize = true) const;

  /// Rows of E to length 1, in place.
  void Normalize(float* embeddings, int64_t count) const;

  /// texts -> embeddings (N, E). Rows do not depend on each other.
  void EncodeTexts(Context& context, std::span<const std::string> texts, float* embeddings,
                   bool normalize = true) const;

  /// The same from token ids, each text 1 to context_length of them, below vocab_size; padding behind them is allowed.
  void EncodeIds(Context& context, std::vector<std::vector<int32_t>> texts, float* embeddings,
                 bool normalize = true) const;

  /// logits (Q, N) = scale * images (Q, E) · textsᵀ (N, E) + bias; both normalised.
  void Logits(const float* images, int64_t q, const float* texts, int64_t n, float* logits) const;

  /// Logits -> probabilities, in place over rows of n: softmax, or sigmoid for a model with a logit bias.
  void Probabilities(float* logits, int64_t q, int64_t n) const;

  const ImageTowerPlan& image_plan() const;
  const TextTowerPlan& text_plan() const;

 private:
  Clip(std::shared_ptr<ClipModel> model, kernels::Precision precision);

  std::shared_ptr<ClipModel> model_;
  kernels::Precision precision_;
  float logit_scale_, logit_bias_;
  mutable std::once_flag image_once_, text_once_, fingerprint_once_;
  mutable std::unique_ptr<ImageTowerPlan> image_plan_;
  mutable std::unique_ptr<TextTowerPlan> text_plan_;
  mutable std::string fingerprint_;
};

}  // namespace diptych

#endif  // DIPTYCH_CLIP_CLIP_H_
