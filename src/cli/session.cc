#include "cli/session.h"

#include <utility>

namespace diptych::cli {

Result<PictureSession> StartPictures(const char* command, const PictureFlags& flags) {
  PictureSession session;
  session.runtime.threads = ThreadCount(flags.model);
  RETURN_IF_ERROR(MakeDecodeOptions(flags.picture).status());
  RETURN_IF_ERROR(MakePreprocessConfig(flags.picture, PreprocessConfig{}).status());
  ASSIGN_OR_RETURN(session.inputs, PictureInputs::Open(flags.input, session.runtime.fetch));
  ASSIGN_OR_RETURN(session.run, Run::Start(command, flags.run));
  session.run->Connect(session.runtime);
  ASSIGN_OR_RETURN(session.clip, LoadModel(flags.model));
  ASSIGN_OR_RETURN(session.batch, MakeBatchOptions(flags.picture, *session.clip, session.runtime));
  return session;
}

}  // namespace diptych::cli
