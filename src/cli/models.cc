#include <fmt/format.h>

#include <algorithm>

#include "cli/output.h"
#include "cli/run_command.h"
#include "cli/terminal.h"
#include "clip/config_fields.h"
#include "clip/families.h"
#include "core/json.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"models", "Lists the published checkpoints that can be loaded by name.",
                               "diptych models --family MetaCLIP"};

struct Flags {
  std::string family;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "family", .help = "only this family", .value = "F"}, family);
  }
};

std::string JsonRow(const FamilyRow& row) {
  const nlohmann::ordered_json top1 =
      row.imagenet_top1 > 0 ? nlohmann::ordered_json(row.imagenet_top1) : nlohmann::ordered_json();
  const nlohmann::ordered_json json = {{"id", row.hub_id},
                                       {"family", row.family},
                                       {"architecture", row.architecture},
                                       {"open_clip_tag", row.open_clip_tag},
                                       {"container", NameOf(row.container)},
                                       {"activation", NameOfActivation(row.activation)},
                                       {"image_size", row.image_size},
                                       {"embed_dim", row.embed_dim},
                                       {"parameters_m", row.parameters_m},
                                       {"pixels", row.pixels},
                                       {"license", row.license},
                                       {"imagenet_top1", top1},
                                       {"note", row.note}};
  return json.dump() + "\n";
}

std::string Accuracy(const FamilyRow& row) {
  return row.imagenet_top1 > 0 ? fmt::format("{:.1f}", row.imagenet_top1) : "";
}

std::string CsvRow(const FamilyRow& row) {
  std::string line;
  for (const std::string& field :
       {std::string(row.hub_id), std::string(row.family), std::string(row.architecture), std::string(row.open_clip_tag),
        fmt::format("{}", row.image_size), fmt::format("{}", row.embed_dim), fmt::format("{:.1f}", row.parameters_m),
        Accuracy(row), std::string(row.license)}) {
    line += (line.empty() ? "" : ",") + CsvField(field);
  }
  return line + "\n";
}

Status ListModels(const Flags& flags, const std::string& format) {
  std::vector<const FamilyRow*> rows;
  std::string families;
  for (const FamilyRow& row : Families()) {
    const std::string family(row.family);
    if (flags.family.empty() || family == flags.family) rows.push_back(&row);
    if (families.find(family) == std::string::npos) families += (families.empty() ? "" : ", ") + family;
  }
  if (rows.empty()) return InvalidArgument("family", "\"" + flags.family + "\" is not known", "known: " + families);
  if (format == "csv") {
    Print("id,family,architecture,open_clip_tag,image_size,embed_dim,parameters_m,imagenet_top1,license\n");
  }
  int widest = 0;
  for (const FamilyRow* row : rows) widest = std::max(widest, static_cast<int>(row->hub_id.size()));
  if (format == "text") {
    Print(fmt::format("{:<{}}  {:<21}  {:>6}  {:>8}  {:>8}  {}\n", "model", widest, "architecture", "pixels",
                      "params M", "ImageNet", "licence"));
  }
  for (const FamilyRow* row : rows) {
    if (format != "text") {
      Print(format == "json" ? JsonRow(*row) : CsvRow(*row));
      continue;
    }
    Print(fmt::format("{:<{}}  {:<21}  {:>6}  {:>8.1f}  {:>8}  {}\n", row->hub_id, widest, row->architecture,
                      row->image_size, row->parameters_m, Accuracy(*row), row->license));
  }
  return Status::Ok();
}

}  // namespace

int RunModels(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, ListModels);
}

}  // namespace diptych::cli
