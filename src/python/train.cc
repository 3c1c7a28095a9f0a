#include "diptych/train.h"

#include <nanobind/stl/string.h>

#include <deque>
#include <memory>
#include <mutex>

#include "python/errors.h"
#include "python/model.h"
#include "python/options.h"
#include "python/run.h"

namespace diptych::python {
namespace {

// What the trainer's thread has to say, until the thread that called picks it up.
class Mailbox {
 public:
  void Put(int64_t step, std::vector<TrainMetric> metrics) {
    const std::lock_guard lock(mutex_);
    letters_.push_back({step, std::move(metrics)});
  }

  // Hands what has come to `reader`, a dict each: {"step": 1, "loss": ...}.
  void Deliver(const nb::object& reader) {
    std::deque<Letter> letters;
    {
      const std::lock_guard lock(mutex_);
      letters.swap(letters_);
    }
    if (reader.is_none()) return;
    for (const Letter& letter : letters) {
      nb::dict values;
      values["step"] = letter.step;
      for (const TrainMetric& metric : letter.metrics) values[metric.name.c_str()] = metric.value;
      reader(values);
    }
  }

 private:
  struct Letter {
    int64_t step;
    std::vector<TrainMetric> metrics;
  };
  std::mutex mutex_;
  std::deque<Letter> letters_;
};

TrainSummary TrainFromPython(nb::kwargs keywords) {
  const nb::object on_step = Pop(keywords, "on_step");
  TrainOptions options;
  ReadKeywords("train", keywords, {}, options);
  const auto mailbox = std::make_shared<Mailbox>();
  const auto work = [options, mailbox](Watch& watch) {
    const auto put = [mailbox](int64_t step, const std::vector<TrainMetric>& metrics) { mailbox->Put(step, metrics); };
    TrainSinks sinks{.step = [put](const TrainStep& step) { put(step.step, step.metrics); },
                     .validation = put,
                     .stop = &watch.stop};
    return Train(options, sinks);
  };
  const TrainSummary summary = Run(work, {.poll = [&] { mailbox->Deliver(on_step); }});
  mailbox->Deliver(on_step);
  return summary;
}

}  // namespace

void BindTraining(nb::module_& m) {
  nb::class_<TrainSummary>(m, "TrainSummary", "How a training run ended.")
      .def_ro("step", &TrainSummary::step, "steps done")
      .def_ro("steps", &TrainSummary::steps, "of the whole run")
      .def_ro("stopped", &TrainSummary::stopped, "before its end, because it was told to")
      .def_ro("skipped", &TrainSummary::skipped, "samples that could not be used")
      .def("__repr__", [](const TrainSummary& s) {
        return "<TrainSummary: step " + std::to_string(s.step) + " of " + std::to_string(s.steps) + ">";
      });
  const Description train = Describe<TrainOptions>(
      {.name = "train",
       .keywords = "on_step: collections.abc.Callable[[dict[str, float]], object] | None = None",
       .result = "TrainSummary",
       .doc = "Trains an image tower and a text tower on pairs of pictures and texts; the checkpoint in `out` is a\n"
              "model for load(). `on_step` is called with each step's and validation's measurements. Ctrl-C raises\n"
              "KeyboardInterrupt at once; the step under way ends and its checkpoint is written in the background."});
  m.def("train", &TrainFromPython, nb::arg("keywords"), nb::sig(train.signature.c_str()), train.doc.c_str());
}

}  // namespace diptych::python
