// What every feature runs with, and where its results and its troubles go.
#ifndef DIPTYCH_APPS_RUNTIME_H_
#define DIPTYCH_APPS_RUNTIME_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "clip/batcher.h"
#include "clip/clip.h"
#include "core/progress.h"
#include "core/status.h"
#include "diptych/options.h"

namespace diptych {

/// Downloads the picture at an http(s) address.
using Fetcher = std::function<Result<std::string>(const std::string& url)>;

/// Told of each input that was passed over, in order.
using SkipSink = std::function<void(const std::string& path, const Status& reason)>;

/// Owned by the caller. Null and empty members are allowed.
struct Runtime {
  int threads = 1;
  Fetcher fetch;  // empty: addresses are an error
  ProgressSink* progress = nullptr;
  SkipSink skip;
};

/// How a run over many inputs went. Its Status is an error only when the run itself could not go on.
struct RunCounts {
  int64_t done = 0, skipped = 0;
};

/// The model's name with the default filled in: what was asked for, else $DIPTYCH_MODEL, else "starter".
std::string ModelName(const std::string& asked);

/// ModelOptions -> a loaded model.
Result<std::unique_ptr<Clip>> LoadModel(const ModelOptions& options, const LoadOptions& load = {});

/// 0 -> every processor there is.
int ThreadCount(const ModelOptions& options);

/// PictureOptions as decoding and preprocessing know them. Errors: a choice that is not there yet.
Result<DecodeOptions> MakeDecodeOptions(const PictureOptions& options);
Result<PreprocessConfig> MakePreprocessConfig(const PictureOptions& options, const PreprocessConfig& of_model);
Result<BatchOptions> MakeBatchOptions(const PictureOptions& options, const ClipConfig& config, const Runtime& runtime);

}  // namespace diptych

#endif  // DIPTYCH_APPS_RUNTIME_H_
