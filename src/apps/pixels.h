// Pictures -> the numbers that a model's image tower sees.
#ifndef DIPTYCH_APPS_PIXELS_H_
#define DIPTYCH_APPS_PIXELS_H_

#include <string>

#include "apps/inputs.h"
#include "apps/runtime.h"

namespace diptych {

/// The preprocessing of a model, without its weights.
Result<PreprocessConfig> LoadModelPreprocess(const std::string& model);

struct PixelsRequest {
  PreprocessConfig preprocess;
  DecodeOptions decode;
  std::string out;  // .npy, required
};

/// Writes a float32 array (N, 3, S, S) of the pictures that could be read, in order, and their paths beside it. Where
/// none could be read no file is written.
Result<RunCounts> WritePixels(PictureInputs& inputs, const PixelsRequest& request, const Runtime& runtime);

}  // namespace diptych

#endif  // DIPTYCH_APPS_PIXELS_H_
