#include "apps/precision.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "core/cache_folder.h"
#include "core/file.h"
#include "core/json.h"
#include "kernels/runtime.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int64_t kBatch = 8;
constexpr double kSeconds = 0.3;  // of each trial, after one pass to warm up
constexpr double kWorthwhile = 1.05;

// Pictures of soft blobs, each its own; normalised pixels (kBatch, 3, S, S).
std::vector<float> SoftPictures(int64_t side) {
  std::vector<float> pixels;
  pixels.reserve(static_cast<size_t>(kBatch * 3 * side * side));
  for (int64_t i = 0; i < kBatch * 3; ++i) {
    const double fx = 1 + 0.7 * static_cast<double>(i % 5), fy = 1 + 0.9 * static_cast<double>(i % 7);
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        const double u = static_cast<double>(x) / static_cast<double>(side);
        const double v = static_cast<double>(y) / static_cast<double>(side);
        pixels.push_back(static_cast<float>(1.5 * std::sin(6.28 * (fx * u + 0.1 * static_cast<double>(i))) *
                                            std::cos(6.28 * fy * v)));
      }
    }
  }
  return pixels;
}

const std::vector<std::string>& Texts() {
  static const auto* texts = new std::vector<std::string>{"a photo of a cat", "a red car in the rain at night",
                                                          "two people", "a diagram of a machine part, close-up"};
  return *texts;
}

struct Embeddings {
  std::vector<float> rows;
  double images_per_s = 0;
};

Embeddings Embed(const Clip& clip) {
  const int64_t e = clip.embed_dim();
  const std::vector<float> pixels = SoftPictures(clip.config().preprocess.crop);
  Embeddings result;
  result.rows.resize((kBatch + Texts().size()) * static_cast<size_t>(e));
  Context context;
  const auto pass = [&] { clip.EncodeImages(context, pixels.data(), kBatch, result.rows.data()); };
  pass();
  double best = INFINITY;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point one = Clock::now();
    pass();
    best = std::min(best, since(one));
  } while (since(start) < kSeconds);
  result.images_per_s = kBatch / best;
  clip.EncodeTexts(context, Texts(), result.rows.data() + kBatch * e);
  return result;
}

double LowestCosine(const std::vector<float>& a, const std::vector<float>& b, size_t e) {
  double lowest = 1;
  for (size_t row = 0; row < a.size(); row += e) {
    double dot = 0;
    for (size_t i = row; i < row + e; ++i) dot += static_cast<double>(a[i]) * b[i];
    lowest = std::isnan(dot) ? -1 : std::min(lowest, dot);
  }
  return lowest;
}

double RequiredCosine(Precision precision) {
  return precision == Precision::kBF16 ? 0.999 : 0.99;
}

std::string CpuName() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 1);
  }
  return "";
}

std::string MemoryFile() {
  const std::string folder = CacheFolder();
  return folder.empty() ? "" : folder + "/precision.json";
}

// What was measured before: an object of key -> name of a precision.
Json Remembered() {
  const Result<std::string> text = ReadFile(MemoryFile(), size_t{1} << 20);
  if (!text.ok()) return Json::object();
  Json memory = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return memory.is_object() ? memory : Json::object();
}

void Remember(const std::string& key, Precision precision) {
  const std::string path = MemoryFile();
  if (path.empty()) return;
  Json memory = Remembered();
  memory[key] = NameOf(precision);
  std::error_code ignored;
  fs::create_directories(fs::path(path).parent_path(), ignored);
  (void)WriteFileAtomically(path, memory.dump(1) + "\n");  // measured again next time
}

std::string Describe(const std::vector<PrecisionTrial>& trials) {
  std::vector<std::string> parts;
  for (const PrecisionTrial& trial : trials) {
    parts.push_back(
        fmt::format("{} {:.1f}/s, cosine {:.4f}", NameOf(trial.precision), trial.images_per_s, trial.cosine));
  }
  return fmt::format("measured: {}", fmt::join(parts, "; "));
}

}  // namespace

Result<std::vector<PrecisionTrial>> TryPrecisions(const std::string& model, const LoadOptions& load) {
  std::vector<PrecisionTrial> trials;
  std::vector<float> exact;
  for (const Precision precision : kPrecisions) {
    if (precision == Precision::kBF16 && !kernels::HasFastBf16()) continue;  // it would be fp32 again
    LoadOptions with = load;
    with.precision = precision;
    with.merge_tokens = 0;  // which tokens merge hangs on the last bit of a cosine: what rounding costs would not show
    ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, Clip::Load(model, with));
    Embeddings embeddings = Embed(*clip);
    if (exact.empty()) exact = embeddings.rows;
    trials.push_back({precision, embeddings.images_per_s,
                      LowestCosine(exact, embeddings.rows, static_cast<size_t>(clip->embed_dim()))});
  }
  return trials;
}

Precision BestPrecision(const std::vector<PrecisionTrial>& trials) {
  const PrecisionTrial* best = &trials[0];
  for (const PrecisionTrial& trial : trials) {
    const bool close = trial.cosine >= RequiredCosine(trial.precision);
    const bool worthwhile = trial.images_per_s >= kWorthwhile * trials[0].images_per_s;
    if (close && worthwhile && trial.images_per_s > best->images_per_s) best = &trial;
  }
  return best->precision;
}

Result<std::unique_ptr<Clip>> LoadInBestPrecision(const std::string& model, const LoadOptions& load) {
  LoadOptions with = load;
  with.prepare_image = with.prepare_text = false;
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, Clip::Load(model, with));
  const std::string key = fmt::format("{} | {} | {}", CpuName(), kernels::RuntimeDescription(), clip->fingerprint());
  const Json memory = Remembered();
  std::optional<Precision> precision;
  if (const auto found = memory.find(key); found != memory.end() && found->is_string()) {
    precision = PrecisionNamed(found->get<std::string>());
  }
  std::string why = "measured at the model's first use on this CPU";
  if (!precision) {
    ASSIGN_OR_RETURN(const std::vector<PrecisionTrial> trials, TryPrecisions(model, load));
    precision = BestPrecision(trials);
    why = Describe(trials);
    Remember(key, *precision);
  }
  with = load;
  with.precision = *precision;
  with.precision_source = why;
  return Clip::Load(model, with);
}

}  // namespace diptych
