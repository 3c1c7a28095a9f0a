// Which arithmetic a model runs in: what was asked for, or the fastest on this CPU that keeps the model's accuracy.
#ifndef DIPTYCH_APPS_PRECISION_H_
#define DIPTYCH_APPS_PRECISION_H_

#include <string>
#include <vector>

#include "clip/clip.h"
#include "core/status.h"

namespace diptych {

struct PrecisionTrial {
  Precision precision = Precision::kF32;
  double images_per_s = 0;  // one thread, batch 8
  double cosine = 1;        // the lowest of a few pictures' and texts' embeddings with fp32's
};

/// Runs the model in each precision for a moment, the first of them fp32.
Result<std::vector<PrecisionTrial>> TryPrecisions(const std::string& model, const LoadOptions& load);

/// The fastest among fp32 and those that gain at least 5 % on it with a cosine of at least 0.999 (bf16) or 0.99
/// (int8).
Precision BestPrecision(const std::vector<PrecisionTrial>& trials);

/// Loads the model in the precision that is best for it here. It is measured at the model's first use and remembered in
/// precision.json in CacheFolder(), by CPU, version of the arithmetic, and model; a file that cannot
/// be read or written is as good as none. The configuration's facts say what was chosen and why.
Result<std::unique_ptr<Clip>> LoadInBestPrecision(const std::string& model, const LoadOptions& load);

}  // namespace diptych

#endif  // DIPTYCH_APPS_PRECISION_H_
