#include "apps/bench.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "apps/inputs.h"
#include "image/preprocess.h"
#include "kernels/peak.h"
#include "kernels/runtime.h"

namespace diptych {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The fastest of the calls that fit into the time, after one to warm up.
double BestSeconds(double seconds, const std::function<void()>& call) {
  call();
  double best = 1e30;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point one = Clock::now();
    call();
    best = std::min(best, SecondsSince(one));
  } while (SecondsSince(start) < seconds);
  return best;
}

// Pixels of a plausible spread: zeros would be a picture that no tower has to work for.
std::vector<float> Noise(size_t count) {
  std::vector<float> values(count);
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

// As EmbedPictures works: every thread takes its share of the batch through the tower on its own.
double ImagesPerSecond(const Clip& clip, int threads, int batch, double seconds) {
  const size_t side = static_cast<size_t>(clip.config().preprocess.crop), picture = 3 * side * side;
  const int workers = std::min(threads, batch);
  const std::vector<float> pixels = Noise(picture * static_cast<size_t>(batch));
  std::vector<float> embeddings(static_cast<size_t>(batch) * static_cast<size_t>(clip.embed_dim()));
  if (workers == 1) {
    Context context(threads);
    return batch / BestSeconds(seconds, [&] { clip.EncodeImages(context, pixels.data(), batch, embeddings.data()); });
  }
  std::atomic<bool> stop = false;
  std::barrier start(workers + 1), done(workers + 1);
  std::vector<std::thread> pool;
  for (int w = 0; w < workers; ++w) {
    pool.emplace_back([&, w] {
      Context context(1);
      const int begin = batch * w / workers, end = batch * (w + 1) / workers;
      while (true) {
        start.arrive_and_wait();
        if (stop) return;
        clip.EncodeImages(context, pixels.data() + picture * static_cast<size_t>(begin), end - begin,
                          embeddings.data() + begin * clip.embed_dim());
        done.arrive_and_wait();
      }
    });
  }
  const double best = BestSeconds(seconds, [&] {
    start.arrive_and_wait();
    done.arrive_and_wait();
  });
  stop = true;
  start.arrive_and_wait();
  for (std::thread& thread : pool) thread.join();
  return batch / best;
}

// `count` texts of `tokens` tokens that share no beginning.
double TextsPerSecond(const Clip& clip, Context& context, int tokens, double seconds) {
  constexpr int kTexts = 32;
  const int vocabulary = clip.text_plan().info().vocab_size;
  std::vector<int32_t> ids, lengths(kTexts, tokens);
  for (int i = 0; i < kTexts * tokens; ++i) ids.push_back(1 + i * 37 % (vocabulary - 2));
  // The last id of each text is the largest: CLIP's towers pool there.
  for (int i = 1; i <= kTexts; ++i) ids[static_cast<size_t>(i * tokens - 1)] = vocabulary - 1;
  std::vector<float> embeddings(static_cast<size_t>(kTexts) * static_cast<size_t>(clip.embed_dim()));
  return kTexts / BestSeconds(seconds, [&] {
           clip.text_plan().Forward(context, {.ids = ids, .lengths = lengths}, {.pooled = embeddings.data()});
         });
}

Result<double> DecodesPerSecond(const Clip& clip, const BenchOptions& options, const DecodeOptions& decode,
                                const Runtime& runtime) {
  InputOptions inputs;
  inputs.inputs = {options.images};
  ASSIGN_OR_RETURN(const std::unique_ptr<PictureInputs> source, PictureInputs::Open(inputs, nullptr));
  std::vector<PictureRef> refs;
  constexpr size_t kMost = 1000;
  while (refs.size() < kMost) {
    std::optional<PictureRef> ref = source->Next();
    if (!ref) break;
    if (LoadImage(ref->path, {}).ok()) refs.push_back(std::move(*ref));
  }
  if (refs.empty()) return NotFound(options.images, "holds no picture that can be read");
  const size_t side = static_cast<size_t>(clip.config().preprocess.crop);
  return static_cast<double>(refs.size()) / BestSeconds(options.seconds, [&] {
           std::atomic<size_t> next = 0;
           std::vector<std::thread> pool;
           for (int w = 0; w < runtime.threads; ++w) {
             pool.emplace_back([&] {
               std::vector<float> pixels(3 * side * side);
               for (size_t i = next++; i < refs.size(); i = next++) {
                 Preprocess(*LoadImage(refs[i].path, decode), clip.config().preprocess, pixels.data());
               }
             });
           }
           for (std::thread& thread : pool) thread.join();
         });
}

double PeakMemoryMegabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024.0;
  }
  return 0;
}

}  // namespace

Result<BenchResult> Bench(const Clip& clip, const BenchOptions& options, const Runtime& runtime) {
  BenchResult result;
  result.runtime = kernels::RuntimeDescription();
  result.precision = NameOf(clip.precision());
  result.threads = runtime.threads;
  result.batch = options.batch;
  Context context(runtime.threads);
  {
    const size_t side = static_cast<size_t>(clip.config().preprocess.crop);
    const std::vector<float> pixels = Noise(3 * side * side);
    std::vector<float> embedding(static_cast<size_t>(clip.embed_dim()));
    const auto one = [&] { clip.EncodeImages(context, pixels.data(), 1, embedding.data()); };
    const Clock::time_point start = Clock::now();
    one();
    result.first_image_ms = 1e3 * SecondsSince(start);
    result.one_image_ms = 1e3 * BestSeconds(options.seconds, one);
  }
  result.images_per_s = ImagesPerSecond(clip, runtime.threads, options.batch, options.seconds);
  const TextTowerInfo& text = clip.text_plan().info();
  result.text_tokens = std::min(10, text.context_length);
  result.texts_per_s = TextsPerSecond(clip, context, result.text_tokens, options.seconds);
  result.full_texts_per_s = TextsPerSecond(clip, context, text.context_length, options.seconds);
  result.peak_memory_mb = PeakMemoryMegabytes();
  if (!options.images.empty()) {
    ASSIGN_OR_RETURN(result.decode_per_s, DecodesPerSecond(clip, options, {}, runtime));
    const DecodeOptions fast = {.cover = clip.config().preprocess.size};
    ASSIGN_OR_RETURN(result.fast_decode_per_s, DecodesPerSecond(clip, options, fast, runtime));
  }

  for (const kernels::MatmulPeak& peak : kernels::MeasureMatmulPeaks(context, options.seconds)) {
    result.matmul_peaks_gflops.emplace_back(peak.precision, peak.gflops);
  }
  result.matmul_peak_gflops = result.matmul_peaks_gflops[0].second;
  for (const auto& [name, gflops] : result.matmul_peaks_gflops) {
    if (name == result.precision) result.matmul_peak_gflops = gflops;
  }
  result.image_gflop = 1e-9 * clip.image_plan().info().flops;
  result.fraction_of_peak = result.images_per_s * result.image_gflop / result.matmul_peak_gflops;
  return result;
}

}  // namespace diptych
