// How fast a model runs here, beside what this processor could do.
#ifndef DIPTYCH_BENCH_H_
#define DIPTYCH_BENCH_H_

#include <string>
#include <utility>
#include <vector>

#include "diptych/options.h"

namespace diptych {

struct BenchOptions {
  int batch = 32;         // pictures a forward pass, over all threads
  double seconds = 2;     // of each measurement
  std::string images;     // a folder of pictures to decode; empty: decoding is not measured

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "batch", .help = "pictures a pass, over all threads", .value = "N", .min = 1, .max = 4096},
          batch);
    visit(Field{.name = "seconds", .help = "time of each measurement", .value = "X", .min = 0.1, .max = 600}, seconds);
    visit(Field{.name = "images", .help = "pictures to measure decoding and preprocessing with", .value = "DIR"},
          images);
  }
};

struct BenchResult {
  std::string model, runtime, precision;  // runtime: "oneDNN 3.2.0, AVX2"
  int threads = 0, batch = 0;
  double images_per_s = 0;         // the image tower, pixels to embeddings, best of several passes
  double first_image_ms = 0;       // one picture alone, packing and building included: what a cold start pays
  double one_image_ms = 0;         // one picture alone, all threads on it, best
  double texts_per_s = 0;          // texts of `text_tokens` tokens, as labels are
  double full_texts_per_s = 0;     // texts of the whole context length
  int text_tokens = 0;
  double decode_per_s = 0;         // pictures of `images` read, decoded and preprocessed, all threads; 0: not measured
  double fast_decode_per_s = 0;    // the same with fast_decode
  double peak_memory_mb = 0;       // of the process, mapped pages included (VmHWM)
  double matmul_peak_gflops = 0;   // of fp32
  std::vector<std::pair<std::string, double>> matmul_peaks_gflops;  // of every precision that is fast here
  double image_gflop = 0;          // nominal, of one picture
  double fraction_of_peak = 0;     // images_per_s x image_gflop / matmul_peak_gflops
};

}  // namespace diptych

#endif  // DIPTYCH_BENCH_H_
