#include "apps/runtime.h"

#include <cmath>
#include <cstdlib>

#include "apps/precision.h"
#include "core/threads.h"

namespace diptych {

std::string ModelName(const std::string& asked) {
  if (!asked.empty()) return asked;
  const char* environment = std::getenv("DIPTYCH_MODEL");
  return environment != nullptr && *environment != '\0' ? environment : "starter";
}

Result<std::unique_ptr<Clip>> LoadModel(const ModelOptions& options, const LoadOptions& load) {
  LoadOptions with = load;
  with.merge_tokens = options.merge_tokens;
  if (options.precision == "auto") return LoadInBestPrecision(ModelName(options.model), with);
  const std::optional<Precision> precision = PrecisionNamed(options.precision);
  if (!precision) {
    return InvalidArgument("precision", "\"" + options.precision + "\" is not known",
                           "choose fp32, bf16, int8 or auto");
  }
  with.precision = *precision;
  return Clip::Load(ModelName(options.model), with);
}

int ThreadCount(const ModelOptions& options) {
  return options.threads > 0 ? options.threads : AvailableThreads();
}

Result<DecodeOptions> MakeDecodeOptions(const PictureOptions& options) {
  if (!(options.max_megapixels > 0)) {
    return InvalidArgument("max-megapixels", "must be greater than 0");
  }
  return DecodeOptions{.max_megapixels = options.max_megapixels,
                       .allow_truncated = options.allow_truncated,
                       .exif_rotate = options.exif_rotate};
}

Result<PreprocessConfig> MakePreprocessConfig(const PictureOptions& options, const PreprocessConfig& of_model) {
  PreprocessConfig config = of_model;
  if (options.resize == "torchvision") {
    if (config.filter != kernels::Filter::kBilinear && config.filter != kernels::Filter::kBicubic) {
      return InvalidArgument("resize", "\"torchvision\" resizes bilinearly or bicubically alone, unlike this model",
                             "choose \"pillow\"");
    }
    config.reference = PixelReference::kTransformers5;
  } else if (options.resize != "pillow") {
    return InvalidArgument("resize", "\"" + options.resize + "\" is not known",
                           "choose \"pillow\" or \"torchvision\"");
  }
  if (options.alpha == "drop") {
    config.alpha = AlphaPolicy::kDrop;
  } else if (options.alpha == "white") {
    config.alpha = AlphaPolicy::kWhite;
  } else if (!options.alpha.empty()) {
    return InvalidArgument("alpha", "\"" + options.alpha + "\" is not known", "choose \"drop\" or \"white\"");
  }
  return config;
}

Result<BatchOptions> MakeBatchOptions(const PictureOptions& options, const ClipConfig& config, const Runtime& runtime) {
  if (options.batch < 1) return InvalidArgument("batch", "must be at least 1");
  BatchOptions batch{.threads = runtime.threads, .batch = options.batch};
  ASSIGN_OR_RETURN(batch.decode, MakeDecodeOptions(options));
  ASSIGN_OR_RETURN(batch.preprocess, MakePreprocessConfig(options, config.preprocess));
  if (options.fast_decode) batch.decode.cover = batch.preprocess->size;
  return batch;
}

}  // namespace diptych
