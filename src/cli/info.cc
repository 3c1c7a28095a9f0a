#include "apps/info.h"

#include <fmt/format.h>

#include "apps/runtime.h"
#include "cli/output.h"
#include "cli/progress_view.h"
#include "cli/run_command.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "core/json.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"info", "Tells what a model is, and where each fact was read.",
                               "diptych info starter --format json"};

struct Flags {
  std::vector<std::string> models;
  ModelOptions model;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "model_argument",
                .help = "a checkpoint folder or a model's name [as --model]",
                .value = "M",
                .positional = true},
          models);
    visit(Field{.name = "model", .help = "the same, as a flag", .value = "M"}, model.model);
  }
};

std::string InfoJson(const ModelInfo& info) {
  nlohmann::ordered_json facts = nlohmann::ordered_json::array();
  for (const ModelFact& fact : info.facts) {
    facts.push_back({{"name", fact.name}, {"value", fact.value}, {"source", fact.source}});
  }
  nlohmann::ordered_json json = {
      {"model", info.model},
      {"folder", info.folder},
      {"family", info.family},
      {"container", info.container},
      {"parameters", info.parameters},
      {"embed_dim", info.embed_dim},
      {"image_size", info.image_size},
      {"context_length", info.context_length},
      {"tokenizer", info.tokenizer},
      {"logit_scale", info.logit_scale},
      {"logit_bias", info.logit_bias},
      {"fingerprint", info.fingerprint},
      {"license", info.license.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(info.license)},
      {"files", info.files},
      {"facts", facts}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string InfoText(const ModelInfo& info) {
  std::string files;
  for (const std::string& file : info.files) files += (files.empty() ? "" : ", ") + file;
  std::vector<ModelFact> lines = {{"model", info.model, ""},
                                  {"family", info.family, ""},
                                  {"folder", info.folder, ""},
                                  {"weights", files, ""},
                                  {"parameters", WithCommas(info.parameters), ""},
                                  {"tokenizer", info.tokenizer, ""},
                                  {"logit scale", fmt::format("{:.4f}", info.logit_scale), ""},
                                  {"licence", info.license.empty() ? "unknown" : info.license, ""},
                                  {"fingerprint", info.fingerprint, ""}};
  if (info.logit_bias != 0) lines.push_back({"logit bias", fmt::format("{:.4f}", info.logit_bias), ""});
  lines.insert(lines.end(), info.facts.begin(), info.facts.end());
  int name_width = 0, value_width = 0;
  for (const ModelFact& line : lines) {
    name_width = std::max(name_width, DisplayWidth(line.name));
    if (!line.source.empty()) value_width = std::max(value_width, std::min(40, DisplayWidth(line.value)));
  }
  std::string text;
  for (const ModelFact& line : lines) {
    text += PadText(line.name, name_width) + "  ";
    text += line.source.empty() ? line.value : PadText(line.value, std::max(value_width, DisplayWidth(line.value)));
    text += line.source.empty() ? "\n" : "  (" + line.source + ")\n";
  }
  return text;
}

std::string InfoCsv(const ModelInfo& info) {
  std::string text = "name,value,source\n";
  for (const ModelFact& fact : info.facts) {
    text += CsvField(fact.name) + "," + CsvField(fact.value) + "," + CsvField(fact.source) + "\n";
  }
  return text;
}

Status Info(const Flags& flags, const std::string& format) {
  if (flags.models.size() + (flags.model.model.empty() ? 0 : 1) > 1) {
    return InvalidArgument("", "more than one model was named");
  }
  ModelOptions options = flags.model;
  if (!flags.models.empty()) options.model = flags.models[0];
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, OpenModel(options));
  const ModelInfo info = DescribeModel(*clip, ModelName(options.model));
  Print(format == "json" ? InfoJson(info) : format == "csv" ? InfoCsv(info) : InfoText(info));
  return Status::Ok();
}

}  // namespace

int RunInfo(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Info);
}

}  // namespace diptych::cli
