#include "apps/similarity.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/texts.h"
#include "image/resize.h"

namespace diptych {
namespace {

constexpr size_t kMaxSide = 100000;
constexpr double kMaxCells = 1e8;
constexpr int kThumbnailSide = 96;

Status TooLarge() {
  return LimitExceeded("similarity", "the matrix would have more than 10^8 values or a side over 100,000",
                       "embed both sides and compare the arrays");
}

// Embeds the pictures that can be read. Thumbnails are made by reading them again afterwards: decoding is little beside
// the tower, and whole pictures never pile up.
Result<MatrixSide> PictureSide(const Clip& clip, PictureInputs& inputs, const SimilarityRequest& request,
                               const Runtime& runtime, RunCounts* counts) {
  MatrixSide side;
  std::vector<PictureRef> refs;  // of all pictures so far, skipped ones too
  std::vector<size_t> good;      // indices into refs
  Status broken;
  const auto source = [&]() -> std::optional<PictureRef> {
    std::optional<PictureRef> ref = inputs.Next();
    if (ref) refs.push_back(*ref);
    return ref;
  };
  ProgressMeter meter(runtime.progress, inputs.total());
  EmbedPictures(clip, source, request.batch, [&](const EmbeddedPicture& picture) {
    meter.Step();
    if (!picture.status.ok()) {
      ++counts->skipped;
      if (runtime.skip) runtime.skip(picture.name, picture.status);
      return true;
    }
    ++counts->done;
    good.push_back(static_cast<size_t>(picture.index));
    side.names.push_back(picture.name);
    side.embeddings.insert(side.embeddings.end(), picture.embedding.begin(), picture.embedding.end());
    if (side.names.size() > kMaxSide) broken = TooLarge();
    return broken.ok();
  });
  meter.Finish();
  RETURN_IF_ERROR(broken);
  for (size_t i = 0; request.thumbnails && i < good.size(); ++i) {
    const Result<Image> image = LoadPicture(refs[good[i]], request.batch.decode);
    side.thumbnails.push_back(image.ok() ? Thumbnail(*image) : Image{});
  }
  return side;
}

}  // namespace

Image Thumbnail(const Image& image) {
  const double scale = static_cast<double>(kThumbnailSide) / std::max(image.width, image.height);
  const auto side = [scale](int n) { return std::max(1, static_cast<int>(std::lround(n * scale))); };
  return Resize(ConvertToRgb(image), side(image.width), side(image.height), kernels::Filter::kBilinear);
}

Result<SimilarityMatrix> CompareAll(const Clip& clip, PictureInputs& inputs, const SimilarityRequest& request,
                                    const Runtime& runtime, RunCounts* counts) {
  const SimilarityOptions& options = request.options;
  SimilarityMatrix matrix;
  ASSIGN_OR_RETURN(matrix.a, PictureSide(clip, inputs, request, runtime, counts));
  if (!options.with.empty()) {
    ASSIGN_OR_RETURN(const auto others, PictureInputs::Open({.inputs = options.with}, runtime.fetch));
    ASSIGN_OR_RETURN(matrix.b, PictureSide(clip, *others, request, runtime, counts));
  }
  const size_t pictures = matrix.b.names.size();
  ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                   GatherTexts({.texts = options.texts, .texts_file = options.texts_file}));
  if (texts.size() > kMaxSide) return TooLarge();
  const size_t e = static_cast<size_t>(clip.embed_dim());
  matrix.b.names.insert(matrix.b.names.end(), texts.begin(), texts.end());
  matrix.b.embeddings.resize(matrix.b.names.size() * e);
  Context context(runtime.threads);
  clip.EncodeTexts(context, texts, matrix.b.embeddings.data() + pictures * e);
  if (options.with.empty() && texts.empty()) matrix.b = matrix.a;
  matrix.b.thumbnails.resize(request.thumbnails ? matrix.b.names.size() : 0);

  const size_t n = matrix.a.names.size(), m = matrix.b.names.size();
  if (static_cast<double>(n) * static_cast<double>(m) > kMaxCells) return TooLarge();
  matrix.cosine.resize(n * m);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < m; ++j) {
      double dot = 0;
      for (size_t k = 0; k < e; ++k) dot += matrix.a.embeddings[i * e + k] * matrix.b.embeddings[j * e + k];
      matrix.cosine[i * m + j] = static_cast<float>(dot);
    }
  }
  return matrix;
}

}  // namespace diptych
