// The model of a command, loaded as its flags say.
#ifndef DIPTYCH_CLI_SESSION_H_
#define DIPTYCH_CLI_SESSION_H_

#include <memory>

#include "apps/inputs.h"
#include "apps/runtime.h"
#include "cli/output.h"
#include "core/status.h"
#include "diptych/options.h"

namespace diptych::cli {

/// What a command over pictures needs before it can start. Everything that can be wrong with the flags is found before
/// the model is loaded.
struct PictureSession {
  std::unique_ptr<PictureInputs> inputs;
  std::unique_ptr<Clip> clip;
  std::unique_ptr<Run> run;
  Runtime runtime;
  BatchOptions batch;
};

struct PictureFlags {
  InputOptions input;
  ModelOptions model;
  PictureOptions picture;
  RunOptions run;

  template <class V>
  void Visit(V&& visit) {
    input.Visit(visit);
    model.Visit(visit);
    picture.Visit(visit);
    run.Visit(visit);
  }
};

/// Downloads pictures by their addresses.
Fetcher MakeFetcher(const InputOptions& options);

/// LoadModel, with a line on the terminal while it downloads.
Result<std::unique_ptr<Clip>> OpenModel(const ModelOptions& options, LoadOptions load = {});

Result<PictureSession> StartPictures(const char* command, const PictureFlags& flags,
                                     const LoadOptions& load = {.prepare_image = true});

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_SESSION_H_
