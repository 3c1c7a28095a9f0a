#include "apps/bench.h"

#include <fmt/format.h>

#include "cli/run_command.h"
#include "cli/session.h"
#include "core/json.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"bench", "Measures a model on this machine, beside what the processor could do.",
                               "diptych bench --batch 32 --images photos/ --format json"};

struct Flags {
  BenchOptions bench;
  ModelOptions model;

  template <class V>
  void Visit(V&& visit) {
    bench.Visit(visit);
    model.Visit(visit);
  }
};

std::string BenchJson(const BenchResult& r) {
  nlohmann::ordered_json peaks = nlohmann::ordered_json::object();
  for (const auto& [precision, gflops] : r.matmul_peaks_gflops) peaks[precision] = gflops;
  const auto measured = [](double rate) { return rate > 0 ? nlohmann::ordered_json(rate) : nlohmann::ordered_json(); };
  const nlohmann::ordered_json decode = measured(r.decode_per_s), fast_decode = measured(r.fast_decode_per_s);
  const nlohmann::ordered_json json = {{"model", r.model},
                                       {"runtime", r.runtime},
                                       {"precision", r.precision},
                                       {"threads", r.threads},
                                       {"batch", r.batch},
                                       {"images_per_s", r.images_per_s},
                                       {"first_image_ms", r.first_image_ms},
                                       {"one_image_ms", r.one_image_ms},
                                       {"texts_per_s", r.texts_per_s},
                                       {"text_tokens", r.text_tokens},
                                       {"full_texts_per_s", r.full_texts_per_s},
                                       {"decode_per_s", decode},
                                       {"fast_decode_per_s", fast_decode},
                                       {"peak_memory_mb", r.peak_memory_mb},
                                       {"matmul_peak_gflops", r.matmul_peak_gflops},
                                       {"matmul_peaks_gflops", peaks},
                                       {"image_gflop", r.image_gflop},
                                       {"fraction_of_peak", r.fraction_of_peak}};
  return json.dump() + "\n";
}

std::string BenchText(const BenchResult& r) {
  std::string text = fmt::format("{}, {}, {}, {} threads\n\n", r.model, r.precision, r.runtime, r.threads);
  const auto line = [&](const std::string& what, const std::string& value, const std::string& note) {
    text += fmt::format("  {:<26}{:>10}  {}\n", what, value, note);
  };
  line("pictures a second", fmt::format("{:.1f}", r.images_per_s),
       fmt::format("batch {}, {:.0f} % of the matmul peak", r.batch, 100 * r.fraction_of_peak));
  line("one picture", fmt::format("{:.1f} ms", r.one_image_ms),
       fmt::format("the first one {:.0f} ms, packing included", r.first_image_ms));
  line("texts a second", fmt::format("{:.0f}", r.texts_per_s), fmt::format("of {} tokens", r.text_tokens));
  line("full texts a second", fmt::format("{:.0f}", r.full_texts_per_s), "of the whole context length");
  if (r.decode_per_s > 0) {
    line("pictures decoded a second", fmt::format("{:.0f}", r.decode_per_s),
         fmt::format("and preprocessed; {:.0f} with --fast-decode", r.fast_decode_per_s));
  }
  line("peak memory", fmt::format("{:.0f} MB", r.peak_memory_mb), "");
  for (const auto& [precision, gflops] : r.matmul_peaks_gflops) {
    line("matmul peak, " + precision, fmt::format("{:.0f}", gflops), "GFLOP/s");
  }
  return text;
}

Status RunBenchmark(const Flags& flags, const std::string& format) {
  if (format == "csv") return InvalidArgument("--format", "csv has no meaning here", "choose text or json");
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, OpenModel(flags.model));
  const Runtime runtime{.threads = ThreadCount(flags.model)};
  ASSIGN_OR_RETURN(BenchResult result, Bench(*clip, flags.bench, runtime));
  result.model = ModelName(flags.model.model);
  Print(format == "text" ? BenchText(result) : BenchJson(result));
  return Status::Ok();
}

}  // namespace

int RunBench(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, RunBenchmark);
}

}  // namespace diptych::cli
