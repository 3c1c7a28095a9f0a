#include "clip/batcher.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace diptych {
namespace {

// A micro-batch on its way: pictures, what became of them, their embeddings.
struct Batch {
  int64_t first_index = 0;
  std::vector<PictureRef> refs;
  std::vector<EmbeddedPicture> results;  // one a ref
  std::vector<float> embeddings;         // (good pictures, E)
};

Result<Image> ReadAndInspect(const PictureRef& ref, const BatchOptions& options, int64_t index) {
  if (!options.inspect) return LoadPicture(ref, options.decode);
  ASSIGN_OR_RETURN(const std::string bytes, ReadPictureBytes(ref));
  const ByteSpan span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  ASSIGN_OR_RETURN(Image image, DecodeImage(span, options.decode, ref.name));
  options.inspect(index, span, image);
  return image;
}

// Reads and preprocesses the batch's pictures, then runs the tower over those that could be read.
void Embed(const Clip& clip, const BatchOptions& options, Context& context, std::vector<float>& pixels, Batch& batch) {
  const PreprocessConfig& preprocess = options.preprocess ? *options.preprocess : clip.config().preprocess;
  const size_t picture = size_t{3} * static_cast<size_t>(preprocess.crop) * static_cast<size_t>(preprocess.crop);
  const size_t e = static_cast<size_t>(clip.embed_dim());
  pixels.resize(std::max(pixels.size(), batch.refs.size() * picture));
  int64_t good = 0;
  for (size_t i = 0; i < batch.refs.size(); ++i) {
    const PictureRef& ref = batch.refs[i];
    EmbeddedPicture& result = batch.results.emplace_back();
    result.index = batch.first_index + static_cast<int64_t>(i);
    result.name = ref.name;
    const Result<Image> image = ReadAndInspect(ref, options, result.index);
    result.status = image.status();
    if (!image.ok()) continue;
    result.width = image->file_width > 0 ? image->file_width : image->width;
    result.height = image->file_height > 0 ? image->file_height : image->height;
    Preprocess(*image, preprocess, pixels.data() + static_cast<size_t>(good) * picture);
    ++good;
  }
  batch.embeddings.resize(static_cast<size_t>(good) * e);
  clip.EncodeImages(context, pixels.data(), good, batch.embeddings.data(), options.normalize);
  size_t row = 0;
  for (EmbeddedPicture& result : batch.results) {
    if (result.status.ok()) result.embedding = {batch.embeddings.data() + e * row++, e};
  }
}

// Hands out batches in order and passes their results on in order, however the workers finish.
class Conveyor {
 public:
  Conveyor(const PictureSource& source, const EmbeddingSink& sink, int threads, int batch)
      : source_(source), sink_(sink), window_(4 * int64_t{threads}), batch_size_(batch) {
    // A short source is spread over all threads instead of filling one batch.
    const size_t enough = static_cast<size_t>(threads) * static_cast<size_t>(batch);
    while (head_.size() < enough) {
      std::optional<PictureRef> ref = source_();
      if (!ref) break;
      head_.push_back(std::move(*ref));
    }
    const int64_t count = static_cast<int64_t>(head_.size());
    if (head_.size() < enough) batch_size_ = static_cast<int>(std::max<int64_t>(1, (count + threads - 1) / threads));
    workers_ = static_cast<int>(std::clamp<int64_t>((count + batch_size_ - 1) / batch_size_, 1, threads));
  }

  int workers() const { return workers_; }

  // The next batch and its number, or an empty one at the end. Waits while too many batches are finished but stuck
  // behind a slow one, so that memory stays bounded.
  std::pair<int64_t, Batch> Take() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [this] { return stopped_ || taken_ - passed_on_ < window_; });
    Batch batch;
    batch.first_index = next_index_;
    while (!stopped_ && static_cast<int>(batch.refs.size()) < batch_size_) {
      std::optional<PictureRef> ref = Next();
      if (!ref) break;
      batch.refs.push_back(std::move(*ref));
    }
    next_index_ += static_cast<int64_t>(batch.refs.size());
    return {batch.refs.empty() ? taken_ : taken_++, std::move(batch)};
  }

  void Pass(int64_t number, Batch batch) {
    const std::lock_guard lock(mutex_);
    finished_.emplace(number, std::move(batch));
    for (auto it = finished_.find(passed_on_); it != finished_.end(); it = finished_.find(passed_on_)) {
      for (const EmbeddedPicture& result : it->second.results) {
        if (!stopped_ && !sink_(result)) stopped_ = true;
      }
      finished_.erase(it);
      ++passed_on_;
    }
    moved_.notify_all();
  }

 private:
  std::optional<PictureRef> Next() {
    if (head_.empty()) return source_();
    PictureRef ref = std::move(head_.front());
    head_.pop_front();
    return ref;
  }

  const PictureSource& source_;
  const EmbeddingSink& sink_;
  const int64_t window_;  // batches taken but not passed on
  int batch_size_;
  int workers_ = 1;
  std::deque<PictureRef> head_;

  std::mutex mutex_;
  std::condition_variable moved_;
  std::map<int64_t, Batch> finished_;
  int64_t next_index_ = 0, taken_ = 0, passed_on_ = 0;
  bool stopped_ = false;
};

}  // namespace

Result<std::string> ReadPictureBytes(const PictureRef& ref) {
  return ref.read ? ref.read() : ReadFile(ref.path, kMaxPictureBytes);
}

Result<Image> LoadPicture(const PictureRef& ref, const DecodeOptions& options) {
  if (ref.decoded) return ref.decoded();
  if (!ref.read) return LoadImage(ref.path, options);
  ASSIGN_OR_RETURN(const std::string bytes, ref.read());
  return DecodeImage({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, options, ref.name);
}

void EmbedPictures(const Clip& clip, const PictureSource& source, const BatchOptions& options,
                   const EmbeddingSink& sink) {
  CHECK_GE(options.threads, 1);
  CHECK_GE(options.batch, 1);
  Conveyor conveyor(source, sink, options.threads, options.batch);
  const auto work = [&](int team) {
    Context context(team);
    std::vector<float> pixels;
    while (true) {
      auto [number, batch] = conveyor.Take();
      if (batch.refs.empty()) return;
      Embed(clip, options, context, pixels, batch);
      conveyor.Pass(number, std::move(batch));
    }
  };
  if (conveyor.workers() == 1) return work(options.threads);
  std::vector<std::thread> threads;
  for (int i = 0; i < conveyor.workers(); ++i) threads.emplace_back(work, 1);
  for (std::thread& thread : threads) thread.join();
}

void EmbedPixels(const Clip& clip, const PixelRun& run, const BatchOptions& options) {
  const int64_t side = clip.config().preprocess.crop, e = clip.embed_dim();
  // The pictures are spread evenly: what is left over at the end would keep one thread busy and the others idle.
  const int64_t round = int64_t{options.threads} * options.batch, rounds = (run.count + round - 1) / round;
  const int64_t pieces = std::min(run.count, rounds * options.threads);
  std::atomic<int64_t> next{0};
  const auto work = [&](int team) {
    Context context(team);
    for (int64_t i = next++; i < pieces && !(run.stop != nullptr && *run.stop); i = next++) {
      const int64_t begin = run.count * i / pieces, end = run.count * (i + 1) / pieces;
      clip.EncodeImages(context, run.pixels + begin * 3 * side * side, end - begin, run.embeddings + begin * e,
                        options.normalize);
      if (run.done != nullptr) *run.done += end - begin;
    }
  };
  if (options.threads == 1 || pieces <= 1) return work(options.threads);
  std::vector<std::thread> workers;
  for (int64_t i = 0; i < std::min<int64_t>(options.threads, pieces); ++i) workers.emplace_back(work, 1);
  for (std::thread& worker : workers) worker.join();
}

}  // namespace diptych
