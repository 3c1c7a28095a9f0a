// Label sets that were embedded before, so that the same labels never run a text tower twice. Each is a file of
// SaveClassifier's in CacheFolder(), named by the labels and templates and by the model and its precision. A file that
// cannot be read or written is as good as none.
#ifndef DIPTYCH_APPS_LABEL_CACHE_H_
#define DIPTYCH_APPS_LABEL_CACHE_H_

#include <optional>
#include <string>
#include <vector>

#include "clip/classifier.h"

namespace diptych {

/// Whether some model has embedded these: known before the model is loaded.
bool LabelsMayBeCached(const std::vector<std::string>& labels, const std::vector<std::string>& templates);

std::optional<Classifier> CachedClassifier(const Clip& clip, const std::vector<std::string>& labels,
                                           const std::vector<std::string>& templates);

/// The oldest files go where there would be more than a thousand.
void CacheClassifier(const Clip& clip, const Classifier& classifier);

}  // namespace diptych

#endif  // DIPTYCH_APPS_LABEL_CACHE_H_
