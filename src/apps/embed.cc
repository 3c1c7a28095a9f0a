#include "apps/embed.h"

#include <algorithm>
#include <vector>

namespace diptych {

Result<RunCounts> EmbedPictureRows(const Clip& clip, PictureInputs& inputs, const BatchOptions& batch,
                                   const Runtime& runtime, const EmbeddingRowSink& sink) {
  RunCounts counts;
  Status broken;
  ProgressMeter meter(runtime.progress, inputs.total());
  EmbedPictures(
      clip, [&inputs] { return inputs.Next(); }, batch,
      [&](const EmbeddedPicture& picture) {
        meter.Step();
        if (!picture.status.ok()) {
          ++counts.skipped;
          if (runtime.skip) runtime.skip(picture.name, picture.status);
          return true;
        }
        ++counts.done;
        broken = sink(picture.name, picture.embedding);
        return broken.ok();
      });
  meter.Finish();
  RETURN_IF_ERROR(broken);
  return counts;
}

Result<RunCounts> EmbedTextRows(const Clip& clip, std::span<const std::string> texts, bool normalize,
                                const Runtime& runtime, const EmbeddingRowSink& sink) {
  constexpr size_t kAtOnce = 256;
  const size_t e = static_cast<size_t>(clip.embed_dim());
  Context context(runtime.threads);
  std::vector<float> embeddings(std::min(texts.size(), kAtOnce) * e);
  RunCounts counts;
  ProgressMeter meter(runtime.progress, static_cast<int64_t>(texts.size()));
  for (size_t begin = 0; begin < texts.size(); begin += kAtOnce) {
    const auto some = texts.subspan(begin, std::min(kAtOnce, texts.size() - begin));
    clip.EncodeTexts(context, some, embeddings.data(), normalize);
    for (size_t i = 0; i < some.size(); ++i) {
      RETURN_IF_ERROR(sink(some[i], {embeddings.data() + i * e, e}));
      meter.Step();
      ++counts.done;
    }
  }
  meter.Finish();
  return counts;
}

}  // namespace diptych
