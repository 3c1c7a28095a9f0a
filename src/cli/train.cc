#include "apps/train.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "apps/train_metrics.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/parser.h"
#include "cli/progress_view.h"
#include "cli/session.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {
    "train", "Trains an image tower and a text tower on pairs of pictures and texts.",
    "diptych train --train-data 'shards/{000000..000009}.tar' --out my-clip --image-tower vit:12,192,3,p8 \\\n"
    "      --text-tower transformer:6,256,4 --image-size 64 --embed-dim 256 --batch 256 --epochs 10\n"
    "  diptych train --train-data parts/ --template 'a photo of a {}' --init starter --lock-text --out my-parts \\\n"
    "      --lr 1e-5 --epochs 3 --val-data held-out.tar\n"
    "  mpirun -n 4 diptych train ...\n\n"
    "SIGTERM, SIGUSR1 and Ctrl-C end a run after its step, with a checkpoint from which --resume goes on. Send mpirun\n"
    "SIGUSR1: it hands it on. After SIGTERM or Ctrl-C it kills its processes within a second or two, or N and 2 N\n"
    "seconds with --mca odls_base_sigkill_timeout N, which may be too early for a checkpoint."};

std::atomic<bool> stop_asked{false};

void AskToStop(int) {
  stop_asked = true;
}

double ValueOf(const std::vector<TrainMetric>& metrics, const char* name) {
  for (const TrainMetric& metric : metrics) {
    if (metric.name == name) return metric.value;
  }
  return 0;
}

std::string StepLine(const TrainStep& step) {
  return fmt::format("step {}/{}  loss {:.4f}  scale {:.2f}  lr {:.2e}  {:.1f} pairs/s  {} left", WithCommas(step.step),
                     WithCommas(step.steps), ValueOf(step.metrics, "loss"), ValueOf(step.metrics, "logit_scale"),
                     ValueOf(step.metrics, "lr"), ValueOf(step.metrics, "pairs_per_s"), Duration(step.seconds_left));
}

std::string ValidationLine(int64_t step, const std::vector<TrainMetric>& metrics) {
  std::string line = fmt::format("step {}", WithCommas(step));
  for (const TrainMetric& metric : metrics) {
    const std::string_view name = std::string_view(metric.name).substr(std::string_view("val/").size());
    if (!name.ends_with("@5")) line += fmt::format("  {} {:.4f}", name, metric.value);
  }
  return line;
}

// Lines for people: every step on a terminal, in its place; elsewhere one now and then.
class StepView {
 public:
  void Show(const TrainStep& step) {
    if (on_terminal_) {
      std::fprintf(stderr, "\r\x1b[K%s", StepLine(step).c_str());
      open_ = true;
    } else if (step.step == 1 || step.step == step.steps || step.step % kEvery == 0) {
      Print(StepLine(step) + "\n");
      std::fflush(stdout);
    }
  }
  void Line(const std::string& text) {
    if (open_) std::fputc('\n', stderr);
    open_ = false;
    Print(text + "\n");
    std::fflush(stdout);
  }

 private:
  static constexpr int64_t kEvery = 20;
  bool on_terminal_ = isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  bool open_ = false;
};

TrainSinks MakeSinks(const std::string& format, StepView& view) {
  TrainSinks sinks{.stop = &stop_asked};
  if (format == "json") {
    const auto print = [](int64_t step, const std::vector<TrainMetric>& metrics) {
      Print(MetricsJson(step, metrics) + "\n");
      std::fflush(stdout);
    };
    sinks.step = [print](const TrainStep& step) { print(step.step, step.metrics); };
    sinks.validation = print;
    sinks.note = [](const std::string& note) { std::fprintf(stderr, "diptych train: %s\n", note.c_str()); };
  } else {
    sinks.step = [&view](const TrainStep& step) { view.Show(step); };
    sinks.validation = [&view](int64_t step, const std::vector<TrainMetric>& metrics) {
      view.Line(ValidationLine(step, metrics));
    };
    sinks.note = [&view](const std::string& note) { view.Line(note); };
  }
  return sinks;
}

}  // namespace

int RunTrain(const Arguments& arguments) {
  TrainOptions options;
  FormatOptions format;
  Parser parser(kHelp);
  parser.Add(options);
  parser.Add(format);
  if (const std::optional<int> code = parser.Parse(arguments)) return *code;
  if (format.format == "csv") {
    return Fail(kHelp.name, InvalidArgument("--format", "csv has no meaning here", "choose text or json"));
  }
  if (const Status status = CheckTrainOptions(options); !status.ok()) return Fail(kHelp.name, status);
  Result<std::unique_ptr<train::Communicator>> job = train::MakeCommunicator();
  if (!job.ok()) return Fail(kHelp.name, job.status());
  train::Communicator& communicator = **job;

  std::signal(SIGTERM, AskToStop);
  std::signal(SIGINT, AskToStop);
  std::signal(SIGUSR1, AskToStop);  // mpirun hands this one on and goes on itself
  StepView view;
  const Result<TrainSummary> summary = Train(options, communicator, MakeSinks(format.format, view));
  if (!summary.ok()) {
    // In a job of several processes, those that only heard of another's failure have nothing to add to its message.
    const bool of_another = communicator.size() > 1 && summary.status().code() == StatusCode::kUnavailable;
    const int code = of_another ? kExitFailure : Fail(kHelp.name, summary.status());
    if (!of_another) communicator.EndJob(code);
    return code;
  }
  const int code = FinishOutput(kHelp.name, Status::Ok());
  if (code != kExitOk || communicator.rank() != 0 || summary->skipped == 0) return code;
  std::fprintf(stderr, "diptych train: skipped %s\n", summary->skips.c_str());
  return kExitSkipped;
}

}  // namespace diptych::cli
