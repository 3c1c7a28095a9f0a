#include "apps/classify.h"

#include "cli/classify_view.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/parser.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {
    "classify", "Names what is in pictures, from nothing but labels.",
    "diptych classify photo.jpg --labels cat,dog,car\n"
    "  diptych classify photos/ --labels-file labels.txt --templates openai --format json\n"
    "  diptych classify photos/ --labels cat,dog --reject --save-classifier pets.safetensors"};

Status SaveOnly(const ClassifyOptions& options, const ModelOptions& model) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, OpenModel(model));
  return PrepareClassifier(*clip, options, Runtime{.threads = ThreadCount(model)}).status();
}

}  // namespace

int RunClassify(const Arguments& arguments) {
  ClassifyOptions options;
  PictureFlags flags;
  FormatOptions format;
  Parser parser(kHelp);
  parser.Add(options);
  parser.Add(format);
  parser.Add(flags);
  if (const std::optional<int> code = parser.Parse(arguments)) return *code;

  // Labels can be embedded and kept without a picture to try them on.
  const bool no_inputs = flags.input.inputs.empty() && flags.input.files_from.empty();
  if (no_inputs && !options.save_classifier.empty()) {
    const Status status = SaveOnly(options, flags.model);
    return status.ok() ? kExitOk : Fail(kHelp.name, status);
  }
  if (const Status status = CheckClassifyOptions(options); !status.ok()) return Fail(kHelp.name, status);
  Result<PictureSession> session =
      StartPictures(kHelp.name, flags, {.prepare_image = true, .prepare_text = NeedsTextTower(options)});
  if (!session.ok()) return Fail(kHelp.name, session.status());
  const Result<Classifier> classifier = PrepareClassifier(*session->clip, options, session->runtime);
  if (!classifier.ok()) return Fail(kHelp.name, classifier.status());

  const BarStyle style{.width = TerminalWidth(stdout, 80), .color = UseColor(stdout)};
  if (format.format == "csv") Print(ClassificationCsvHeader(options.reject.has_value()));
  const auto show = [&](const Classification& result) {
    return Print(format.format == "json"  ? ClassificationJson(result)
                 : format.format == "csv" ? ClassificationCsv(result)
                                          : ClassificationText(result, style));
  };
  const RunCounts counts = ClassifyPictures(*session->clip, *session->inputs, {*classifier, options, session->batch},
                                            session->runtime, show);
  return session->run->Finish(counts);
}

}  // namespace diptych::cli
