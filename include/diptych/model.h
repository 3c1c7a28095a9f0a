// A model, ready to classify and embed. The whole library in ten lines:
//
//   #include <diptych/model.h>
//   #include <cstdio>
//   int main() {
//     auto model = diptych::Model::Load();
//     if (!model.ok()) return std::puts(model.status().ToString().c_str()), 1;
//     auto result = model->Classify("cat.png", {"cat", "dog"});
//     if (!result.ok()) return std::puts(result.status().ToString().c_str()), 1;
//     for (const auto& p : result->predictions) std::printf("%s %.3f\n", p.label.c_str(), p.probability);
//   }
#ifndef DIPTYCH_MODEL_H_
#define DIPTYCH_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "diptych/classify.h"
#include "diptych/embed.h"
#include "diptych/export.h"
#include "diptych/index.h"
#include "diptych/info.h"
#include "diptych/options.h"
#include "diptych/picture.h"
#include "diptych/processor.h"
#include "diptych/search.h"
#include "diptych/status.h"
#include "diptych/store.h"
#include "diptych/watch.h"

namespace diptych {

/// Labels in a model's space, made once and used for many pictures. Cheap to copy; thread safe.
class DIPTYCH_EXPORT LabelSet {
 public:
  struct Impl;
  explicit LabelSet(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const std::vector<std::string>& labels() const;
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Cheap to copy: copies share the weights. Thread safe: any number of calls may run at once, and pictures of calls
/// that come at the same time go through the tower together.
///
/// Threads start at the first call that computes. A process that is forked after that cannot compute: its calls return
/// kWrongProcess. Load models in each process anew, or use "spawn".
class DIPTYCH_EXPORT Model {
 public:
  /// Errors: no such model, a checkpoint that contradicts itself, by file and field.
  static Result<Model> Load(const ModelOptions& options = {}, const PictureOptions& pictures = {});

  /// What is in a picture. The fields of `options` that name labels are not read; the others are. For many pictures,
  /// or one set of labels at many times, make a LabelSet first: texts are encoded anew by each of these calls.
  Result<Classification> Classify(const Picture& picture, const std::vector<std::string>& labels,
                                  const ClassifyOptions& options = {}) const;

  /// All labels that `options` names: listed, from a file, or saved earlier; kept where save_classifier says.
  Result<LabelSet> MakeLabels(const ClassifyOptions& options) const;
  Result<Classification> Classify(const Picture& picture, const LabelSet& labels,
                                  const ClassifyOptions& options = {}) const;
  /// The first picture that cannot be read is the error.
  Result<std::vector<Classification>> ClassifyAll(const std::vector<Picture>& pictures, const LabelSet& labels,
                                                  const ClassifyOptions& options = {}, Watch* watch = nullptr) const;

  /// The vector of a picture or text in the joint space: embed_dim() values of length 1.
  Result<std::vector<float>> EmbedImage(const Picture& picture) const;
  Result<std::vector<float>> EmbedText(const std::string& text) const;
  /// Rows one after the other: (count, embed_dim()), of length 1 unless no_normalize is set; `out` is not read. The
  /// first picture that cannot be read is the error.
  Result<std::vector<float>> EmbedImages(const std::vector<Picture>& pictures, const EmbedOptions& options = {},
                                         Watch* watch = nullptr) const;
  Result<std::vector<float>> EmbedTexts(const std::vector<std::string>& texts, const EmbedOptions& options = {},
                                        Watch* watch = nullptr) const;
  /// The same from what Processor makes of them: pixels (count, 3, S, S), and ids (count, length) with padding behind
  /// them. Errors: a value that is not finite, an id outside the vocabulary, more ids than the tower takes.
  Result<std::vector<float>> EmbedPixels(const float* pixels, int64_t count, const EmbedOptions& options = {},
                                         Watch* watch = nullptr) const;
  Result<std::vector<float>> EmbedIds(const int32_t* ids, int64_t count, int64_t length,
                                      const EmbedOptions& options = {}, Watch* watch = nullptr) const;

  /// logits (count of images, count of texts) = scale * cosine + bias, of embeddings of length 1. Errors: a length that
  /// is no multiple of embed_dim().
  Result<std::vector<float>> Logits(const std::vector<float>& images, const std::vector<float>& texts) const;

  /// Keeps the store that options name up to date with the pictures of `inputs`; only what is new or changed is
  /// embedded. A watch that stops it leaves what was embedded by then. Errors: a store of another model.
  Result<IndexSummary> Index(const InputOptions& inputs, const IndexOptions& options, Watch* watch = nullptr) const;
  /// The pictures of a store that are nearest to what options name. Errors: a store of another model.
  Result<SearchAnswer> Search(const SearchOptions& options) const;
  /// Adds the rows of each F.npy, this model's embeddings, under the paths of F.paths.txt beside it to a store.
  Result<StoreChange> ImportArrays(const std::string& store, const std::vector<std::string>& arrays) const;

  /// Token ids as the text tower sees them, without padding.
  std::vector<int32_t> Tokenize(const std::string& text) const { return processor().Tokenize(text); }
  /// What comes before the towers.
  const Processor& processor() const;

  int embed_dim() const;
  float logit_scale() const;  // exp() already taken
  float logit_bias() const;   // 0 where the model has none
  int threads() const;
  /// What it computes in: "fp32", "bf16" or "int8", also where ModelOptions left the choice to "auto".
  const char* precision() const;
  /// What one picture costs the image tower, nominal, in 10^9 floating-point operations. Makes the tower ready.
  double image_gflop() const;
  ModelInfo Info() const;

  /// How pictures are read from now on, by this copy.
  Status SetPictureOptions(const PictureOptions& options);

 private:
  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace diptych

#endif  // DIPTYCH_MODEL_H_
