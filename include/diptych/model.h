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
#include "diptych/export.h"
#include "diptych/info.h"
#include "diptych/options.h"
#include "diptych/status.h"

namespace diptych {

/// A picture to look at: a file, or the bytes of one. Implicit, so that a path stands for itself.
class Picture {
 public:
  Picture(std::string path) : name_(std::move(path)) {}  // NOLINT
  Picture(const char* path) : name_(path) {}             // NOLINT
  /// An encoded picture (JPEG, PNG, ...) in memory; `name` is for messages and results.
  static Picture FromBytes(std::string bytes, std::string name = "picture") {
    Picture picture(std::move(name));
    picture.bytes_ = std::make_shared<const std::string>(std::move(bytes));
    return picture;
  }

  const std::string& name() const { return name_; }
  const std::shared_ptr<const std::string>& bytes() const { return bytes_; }  // null: read the file

 private:
  std::string name_;
  std::shared_ptr<const std::string> bytes_;
};

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

/// Cheap to copy: copies share the weights. Thread safe: any number of calls may run at once.
class DIPTYCH_EXPORT Model {
 public:
  /// Errors: no such model, a checkpoint that contradicts itself, by file and field.
  static Result<Model> Load(const ModelOptions& options = {});

  /// What is in a picture. The fields of `options` that name labels are not read; the others are. For many pictures,
  /// or one set of labels at many times, make a LabelSet first: texts are encoded anew by each of these calls.
  Result<Classification> Classify(const Picture& picture, const std::vector<std::string>& labels,
                                  const ClassifyOptions& options = {}) const;

  /// All labels that `options` names: listed, from a file, or saved earlier; kept where save_classifier says.
  Result<LabelSet> MakeLabels(const ClassifyOptions& options) const;
  Result<Classification> Classify(const Picture& picture, const LabelSet& labels,
                                  const ClassifyOptions& options = {}) const;

  /// The vector of a picture or text in the joint space: embed_dim() values of length 1.
  Result<std::vector<float>> EmbedImage(const Picture& picture) const;
  Result<std::vector<float>> EmbedText(const std::string& text) const;
  /// Rows one after the other: (count, embed_dim()). The first picture that cannot be read is the error.
  Result<std::vector<float>> EmbedImages(const std::vector<Picture>& pictures) const;
  Result<std::vector<float>> EmbedTexts(const std::vector<std::string>& texts) const;

  /// Token ids as the text tower sees them, without padding.
  std::vector<int32_t> Tokenize(const std::string& text) const;

  int embed_dim() const;
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
