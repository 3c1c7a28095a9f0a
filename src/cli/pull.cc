#include <fmt/format.h>

#include "cli/download_view.h"
#include "cli/output.h"
#include "cli/run_command.h"
#include "clip/models.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"pull", "Downloads a model into the cache that Hugging Face's Python library uses.",
                               "diptych pull openai/clip-vit-base-patch32\n"
                               "  diptych pull ViT-B-32:laion2b_s34b_b79k"};

struct Flags {
  std::vector<std::string> models;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "model",
                .help = "hub ids, with @REVISION if need be, or open_clip pairs (see diptych models)",
                .value = "M",
                .positional = true},
          models);
  }
};

Status Pull(const Flags& flags, const std::string& format) {
  if (flags.models.empty()) return InvalidArgument("", "no model was named", "see diptych models");
  if (format == "csv") Print("model,folder\n");
  for (const std::string& name : flags.models) {
    ASSIGN_OR_RETURN(const ResolvedModel model, ResolveModel(name, WithDownloadView({.update = true})));
    if (!model.note.empty()) fmt::print(stderr, "diptych pull: {}\n", model.note);
    if (format == "json") {
      Print(fmt::format("{{\"model\":{},\"folder\":{}}}\n", JsonString(name), JsonString(model.folder)));
    } else if (format == "csv") {
      Print(CsvField(name) + "," + CsvField(model.folder) + "\n");
    } else {
      Print(model.folder + "\n");
    }
  }
  return Status::Ok();
}

}  // namespace

int RunPull(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Pull);
}

}  // namespace diptych::cli
