#include "cli/session.h"

#include <cstdio>
#include <utility>

#include "cli/download_view.h"
#include "hub/http.h"

namespace diptych::cli {

Fetcher MakeFetcher(const InputOptions& options) {
  return [allow = options.allow_private](const std::string& url) {
    return hub::FetchBytes(url, {.allow_private = allow});
  };
}

Result<std::unique_ptr<Clip>> OpenModel(const ModelOptions& options, LoadOptions load) {
  load.resolve = WithDownloadView(load.resolve);
  Result<std::unique_ptr<Clip>> clip = LoadModel(options, load);
  if (clip.ok() && options.precision == "auto") {
    const Fact& fact = (*clip)->config().facts.back();
    std::fprintf(stderr, "precision: %s (%s)\n", fact.value.c_str(), fact.source.c_str());
  }
  return clip;
}

Result<PictureSession> StartPictures(const char* command, const PictureFlags& flags, const LoadOptions& load) {
  PictureSession session;
  session.runtime.threads = ThreadCount(flags.model);
  session.runtime.fetch = MakeFetcher(flags.input);
  RETURN_IF_ERROR(MakeDecodeOptions(flags.picture).status());
  RETURN_IF_ERROR(MakePreprocessConfig(flags.picture, PreprocessConfig{}).status());
  ASSIGN_OR_RETURN(session.inputs, PictureInputs::Open(flags.input, session.runtime.fetch));
  ASSIGN_OR_RETURN(session.run, Run::Start(command, flags.run));
  session.run->Connect(session.runtime);
  ASSIGN_OR_RETURN(session.clip, OpenModel(flags.model, load));
  ASSIGN_OR_RETURN(session.batch, MakeBatchOptions(flags.picture, session.clip->config(), session.runtime));
  return session;
}

}  // namespace diptych::cli
