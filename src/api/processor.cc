#include "diptych/processor.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "api/impl.h"
#include "api/pictures.h"
#include "apps/pixels.h"
#include "apps/tokenize.h"
#include "clip/config.h"
#include "clip/families.h"
#include "clip/models.h"

namespace diptych {

Result<Processor> Processor::Load(const ModelOptions& options, const PictureOptions& pictures) {
  const std::string name = ModelName(options.model);
  ASSIGN_OR_RETURN(const ResolvedModel resolved, ResolveModel(name));
  ASSIGN_OR_RETURN(const ClipConfig config, LoadClipConfig(resolved.folder));
  auto impl = std::make_shared<Impl>();
  ASSIGN_OR_RETURN(impl->tokenizer, LoadModelTokenizer(resolved.folder));
  ASSIGN_OR_RETURN(impl->batch, MakeBatchOptions(pictures, config, {.threads = ThreadCount(options)}));
  impl->info = MakeProcessorInfo(name, config, *impl->tokenizer);
  return Processor(std::move(impl));
}

Result<Processor> Processor::OfArchitecture(const std::string& name) {
  const std::string plain = name.ends_with("-quickgelu") ? name.substr(0, name.rfind('-')) : name;
  for (const FamilyRow& row : Families()) {
    std::string architecture(row.architecture);
    std::replace(architecture.begin(), architecture.end(), '/', '-');
    if (architecture != plain) continue;
    ClipConfig config;
    config.preprocess.size = config.preprocess.crop = row.image_size;
    auto impl = std::make_shared<Impl>();
    impl->tokenizer = MakeClipTokenizer(config.tokenizer);
    impl->batch = BatchOptions{.threads = ThreadCount({}), .preprocess = config.preprocess};
    impl->info = MakeProcessorInfo(name, config, *impl->tokenizer);
    return Processor(std::move(impl));
  }
  return NotFound("architecture \"" + name + "\"", "is none that is known here", "name a checkpoint of it instead");
}

ProcessorInfo MakeProcessorInfo(const std::string& name, const ClipConfig& config, const Tokenizer& tokenizer) {
  return {.model = name,
          .folder = config.folder,
          .container = NameOf(config.container),
          .image_size = config.preprocess.crop,
          .context_length = tokenizer.context_length(),
          .pad_id = tokenizer.pad_id(),
          .vocab_size = tokenizer.vocab_size(),
          .mean = config.preprocess.mean,
          .std = config.preprocess.std};
}

Result<std::vector<float>> Processor::Pixels(const std::vector<Picture>& pictures, Watch* watch) const {
  const BatchOptions& batch = impl_->batch;
  const auto side = static_cast<size_t>(batch.preprocess->crop), size = 3 * side * side;
  std::vector<float> pixels(pictures.size() * size);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  Status first;  // the error of the earliest bad picture
  size_t first_at = pictures.size();
  const auto work = [&] {
    for (size_t i = next++; i < pictures.size(); i = next++) {
      if (watch != nullptr && watch->stop) return;
      const Result<Image> image = LoadPicture(RefOf(pictures[i]), batch.decode);
      if (image.ok()) {
        Preprocess(*image, *batch.preprocess, pixels.data() + i * size);
      } else {
        const std::lock_guard lock(mutex);
        if (i < first_at) first = image.status();
        first_at = std::min(first_at, i);
        next = pictures.size();  // those before it are being read already
      }
      if (watch != nullptr) ++watch->done;
    }
  };
  std::vector<std::thread> workers;
  const size_t useful = std::min(pictures.size(), static_cast<size_t>(batch.threads));
  for (size_t i = 1; i < useful; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  RETURN_IF_ERROR(first);
  if (watch != nullptr && watch->stop) return Cancelled("pixels");
  return pixels;
}

std::vector<int32_t> Processor::Tokenize(const std::string& text, bool truncate) const {
  constexpr size_t kNoLimit = size_t{1} << 24;
  return truncate ? impl_->tokenizer->Encode(text) : impl_->tokenizer->EncodeUpTo(text, kNoLimit);
}

int Processor::threads() const {
  return impl_->batch.threads;
}

const ProcessorInfo& Processor::info() const {
  return impl_->info;
}

}  // namespace diptych
