#include "apps/pixels.h"

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/parser.h"
#include "cli/session.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"pixels", "Writes what a model's image tower sees of pictures.",
                               "diptych pixels photo.jpg --out pixels.npy"};

struct Flags {
  InputOptions input;
  PictureOptions picture;
  RunOptions run;
  std::string model, out;

  template <class V>
  void Visit(V&& visit) {
    input.Visit(visit);
    visit(
        Field{.name = "out", .help = "a float32 array (N, 3, S, S); the paths are written beside it", .value = "F.npy"},
        out);
    visit(Field{.name = "model",
                .help = "a checkpoint folder or a model's name [$DIPTYCH_MODEL, else starter]",
                .value = "M"},
          model);
    picture.VisitDecoding(visit);
    run.Visit(visit);
  }
};

Result<int> Pixels(const Flags& flags) {
  if (flags.out.empty()) return InvalidArgument("out", "is missing", "say where to write: --out F.npy");
  PixelsRequest request{.out = flags.out};
  ASSIGN_OR_RETURN(request.decode, MakeDecodeOptions(flags.picture));
  ASSIGN_OR_RETURN(const PreprocessConfig of_model, LoadModelPreprocess(flags.model));
  ASSIGN_OR_RETURN(request.preprocess, MakePreprocessConfig(flags.picture, of_model));
  Runtime runtime{.fetch = MakeFetcher(flags.input)};
  ASSIGN_OR_RETURN(const std::unique_ptr<PictureInputs> inputs, PictureInputs::Open(flags.input, runtime.fetch));
  ASSIGN_OR_RETURN(const std::unique_ptr<Run> run, Run::Start(kHelp.name, flags.run));
  run->Connect(runtime);
  ASSIGN_OR_RETURN(const RunCounts counts, WritePixels(*inputs, request, runtime));
  return run->Finish(counts);
}

}  // namespace

int RunPixels(const Arguments& arguments) {
  Flags flags;
  Parser parser(kHelp);
  parser.Add(flags);
  if (const std::optional<int> code = parser.Parse(arguments)) return *code;
  const Result<int> code = Pixels(flags);
  return code.ok() ? *code : Fail(kHelp.name, code.status());
}

}  // namespace diptych::cli
