// What comes before the towers: pictures to pixels, texts to token ids. Needs a model's configuration, not its weights.
#ifndef DIPTYCH_PROCESSOR_H_
#define DIPTYCH_PROCESSOR_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "diptych/export.h"
#include "diptych/options.h"
#include "diptych/picture.h"
#include "diptych/status.h"
#include "diptych/watch.h"

namespace diptych {

struct ProcessorInfo {
  std::string model;           // as asked for
  std::string folder;          // of the checkpoint
  std::string container;       // whose layout the folder has: "open_clip" or "transformers"
  int image_size = 0;          // S
  int context_length = 0;      // most tokens of a text
  int32_t pad_id = 0;          // what shorter texts are filled up with
  int32_t vocab_size = 0;
  std::array<float, 3> mean{}, std{};  // pixels are (value / 255 - mean) / std
};

/// Cheap to copy; thread safe. Starts no thread that outlives a call, so it also works in a process that was forked.
class DIPTYCH_EXPORT Processor {
 public:
  struct Impl;
  explicit Processor(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  /// Errors: as Model::Load, but for what concerns weights.
  static Result<Processor> Load(const ModelOptions& options = {}, const PictureOptions& pictures = {});

  /// Of an architecture that open_clip publishes weights for ("ViT-B-32"): CLIP's own vocabulary, no checkpoint needed.
  static Result<Processor> OfArchitecture(const std::string& name);

  /// What the image tower sees: (count, 3, S, S), on `threads` of the model options.
  Result<std::vector<float>> Pixels(const std::vector<Picture>& pictures, Watch* watch = nullptr) const;
  /// Token ids as the text tower sees them, without padding. Where `truncate` is false a text may become more ids than
  /// the tower takes.
  std::vector<int32_t> Tokenize(const std::string& text, bool truncate = true) const;

  const ProcessorInfo& info() const;
  int threads() const;

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace diptych

#endif  // DIPTYCH_PROCESSOR_H_
