// Zero-shot classification of many pictures.
#ifndef DIPTYCH_APPS_CLASSIFY_H_
#define DIPTYCH_APPS_CLASSIFY_H_

#include <functional>
#include <span>
#include <string>

#include "apps/inputs.h"
#include "apps/runtime.h"
#include "clip/classifier.h"
#include "diptych/classify.h"

namespace diptych {

/// Each picture's answer, in order. Returning false stops the run.
using ClassificationSink = std::function<bool(const Classification&)>;

/// What can be said against the options before a model is loaded: see GatherLabels, GatherTemplates; labels beside a
/// classifier.
Status CheckClassifyOptions(const ClassifyOptions& options);

/// Whether the label set will most likely be made with the text tower, which is then best prepared while loading.
bool NeedsTextTower(const ClassifyOptions& options);

/// The label set that the options ask for: loaded, found in the cache of earlier ones, or made with the text tower;
/// saved if asked to.
/// Errors: see CheckClassifyOptions, LoadClassifier, SaveClassifier.
Result<Classifier> PrepareClassifier(const Clip& clip, const ClassifyOptions& options, const Runtime& runtime);

/// The answer for one embedding (E), normalised; `path` is left empty.
Classification ClassifyEmbedding(const Clip& clip, const Classifier& classifier, const ClassifyOptions& options,
                                 std::span<const float> embedding);

struct ClassifyRequest {
  const Classifier& classifier;
  ClassifyOptions options;
  BatchOptions batch;
};

/// Memory does not grow with the number of pictures.
RunCounts ClassifyPictures(const Clip& clip, PictureInputs& inputs, const ClassifyRequest& request,
                           const Runtime& runtime, const ClassificationSink& sink);

}  // namespace diptych

#endif  // DIPTYCH_APPS_CLASSIFY_H_
