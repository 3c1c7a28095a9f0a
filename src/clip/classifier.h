// A label set in the joint space: names and their embeddings, kept in a file so that the text tower is needed once.
#ifndef DIPTYCH_CLIP_CLASSIFIER_H_
#define DIPTYCH_CLIP_CLASSIFIER_H_

#include <span>
#include <string>
#include <vector>

#include "clip/clip.h"
#include "core/context.h"
#include "core/status.h"

namespace diptych {

struct Classifier {
  std::vector<std::string> labels;     // N
  std::vector<std::string> templates;  // what the embeddings are a mean over
  std::vector<float> embeddings;       // (N, E), normalised
  std::vector<float> background;       // (M, E), normalised: what pictures may show that is on no list; may be empty
};

/// The embedding of a label is the mean of its filled templates' normalised embeddings, normalised again; with one
/// template it is that template's own. REQUIRES: each template holds "{}".
Classifier MakeClassifier(const Clip& clip, Context& context, std::vector<std::string> labels,
                          std::vector<std::string> templates);

/// Writes a safetensors file: "embeddings", "background", and the names and the model's fingerprint as bytes of JSON
/// under "about".
Status SaveClassifier(const std::string& path, const Classifier& classifier, const Clip& clip);

/// Reads one back. Untrusted input. Errors: another model's embeddings (kUnsupported, naming both fingerprints), a
/// malformed file.
Result<Classifier> LoadClassifier(const std::string& path, const Clip& clip);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_CLASSIFIER_H_
