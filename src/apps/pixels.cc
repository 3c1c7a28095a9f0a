#include "apps/pixels.h"

#include <vector>

#include "apps/array_file.h"
#include "clip/config.h"
#include "clip/models.h"

namespace diptych {

Result<PreprocessConfig> LoadModelPreprocess(const std::string& model) {
  ASSIGN_OR_RETURN(const ResolvedModel resolved, ResolveModel(ModelName(model)));
  ASSIGN_OR_RETURN(const ClipConfig config, LoadClipConfig(resolved.folder));
  return config.preprocess;
}

Result<RunCounts> WritePixels(PictureInputs& inputs, const PixelsRequest& request, const Runtime& runtime) {
  const int64_t s = request.preprocess.crop;
  ASSIGN_OR_RETURN(ArrayFile file, ArrayFile::Create(request.out, DType::kF32, Shape{3, s, s}, RowNames::kPaths));
  std::vector<float> pixels(static_cast<size_t>(3 * s * s));  // (3, S, S)
  RunCounts counts;
  ProgressMeter meter(runtime.progress, inputs.total());
  while (std::optional<PictureRef> ref = inputs.Next()) {
    const Result<Image> image = LoadPicture(*ref, request.decode);
    meter.Step();
    if (!image.ok()) {
      ++counts.skipped;
      if (runtime.skip) runtime.skip(ref->name, image.status());
      continue;
    }
    Preprocess(*image, request.preprocess, pixels.data());
    RETURN_IF_ERROR(file.Append(pixels.data(), ref->name));
    ++counts.done;
  }
  meter.Finish();
  if (counts.done > 0) RETURN_IF_ERROR(file.Finish());
  return counts;
}

}  // namespace diptych
