#include "apps/classify.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "apps/background.h"
#include "apps/label_cache.h"
#include "apps/texts.h"

namespace diptych {

Status CheckClassifyOptions(const ClassifyOptions& options) {
  if (options.top < 1) return InvalidArgument("top", "must be at least 1");
  if (options.reject && !(*options.reject >= 0 && *options.reject <= 1)) {
    return InvalidArgument("reject", "must lie between 0 and 1");
  }
  const bool labels = !options.labels.empty() || !options.label_lists.empty() || !options.labels_file.empty();
  const bool templates = !options.templates.empty() || !options.template_set.empty();
  if (options.classifier.empty()) {
    RETURN_IF_ERROR(GatherTemplates(options).status());
    return GatherLabels(options).status();
  }
  if (!labels && !templates) return Status::Ok();
  return InvalidArgument("classifier", "labels and templates are in the file already",
                         "give --classifier alone, or labels without it");
}

bool NeedsTextTower(const ClassifyOptions& options) {
  if (!options.classifier.empty()) return false;
  const Result<std::vector<std::string>> labels = GatherLabels(options), templates = GatherTemplates(options);
  return options.reject || !labels.ok() || !templates.ok() || !LabelsMayBeCached(*labels, *templates);
}

Result<Classifier> PrepareClassifier(const Clip& clip, const ClassifyOptions& options, const Runtime& runtime) {
  RETURN_IF_ERROR(CheckClassifyOptions(options));
  Context context(runtime.threads);
  Classifier classifier;
  if (!options.classifier.empty()) {
    ASSIGN_OR_RETURN(classifier, LoadClassifier(options.classifier, clip));
  } else {
    ASSIGN_OR_RETURN(std::vector<std::string> labels, GatherLabels(options));
    ASSIGN_OR_RETURN(std::vector<std::string> templates, GatherTemplates(options));
    if (std::optional<Classifier> cached = CachedClassifier(clip, labels, templates)) {
      classifier = *std::move(cached);
    } else {
      classifier = MakeClassifier(clip, context, std::move(labels), std::move(templates));
      CacheClassifier(clip, classifier);
    }
  }
  // A saved label set carries the background, so that --reject works later without the text tower.
  if (classifier.background.empty() && (options.reject || !options.save_classifier.empty())) {
    classifier.background = EmbedBackground(clip, context);
  }
  if (!options.save_classifier.empty()) RETURN_IF_ERROR(SaveClassifier(options.save_classifier, classifier, clip));
  return classifier;
}

Classification ClassifyEmbedding(const Clip& clip, const Classifier& classifier, const ClassifyOptions& options,
                                 std::span<const float> embedding) {
  const size_t n = classifier.labels.size();
  std::vector<float> logits(n);
  clip.Logits(embedding.data(), 1, classifier.embeddings.data(), static_cast<int64_t>(n), logits.data());
  std::vector<float> probabilities = logits;
  clip.Probabilities(probabilities.data(), 1, static_cast<int64_t>(n));

  const size_t top = std::min(n, static_cast<size_t>(options.top));
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(top), order.end(),
                    [&](size_t a, size_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  Classification result;
  for (const size_t i : std::span(order).first(top)) {
    result.predictions.push_back({classifier.labels[i], probabilities[i], logits[i]});
  }
  if (options.reject) {
    result.in_list = InListProbability(classifier.embeddings, classifier.background, embedding);
    result.rejected = *result.in_list < *options.reject;
  }
  return result;
}

RunCounts ClassifyPictures(const Clip& clip, PictureInputs& inputs, const ClassifyRequest& request,
                           const Runtime& runtime, const ClassificationSink& sink) {
  RunCounts counts;
  ProgressMeter meter(runtime.progress, inputs.total());
  EmbedPictures(
      clip, [&inputs] { return inputs.Next(); }, request.batch,
      [&](const EmbeddedPicture& picture) {
        meter.Step();
        if (!picture.status.ok()) {
          ++counts.skipped;
          if (runtime.skip) runtime.skip(picture.name, picture.status);
          return true;
        }
        ++counts.done;
        Classification result = ClassifyEmbedding(clip, request.classifier, request.options, picture.embedding);
        result.path = picture.name;
        return sink(result);
      });
  meter.Finish();
  return counts;
}

}  // namespace diptych
