#include "apps/tokenize.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/texts.h"
#include "cli/output.h"
#include "cli/run_command.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"tokenize", "Turns texts into the token ids that a model's text tower sees.",
                               "diptych tokenize --text \"a photo of a cat\" --format json"};

struct Flags {
  TextOptions text;
  std::string model, out;

  template <class V>
  void Visit(V&& visit) {
    text.Visit(visit);
    visit(Field{.name = "out",
                .help = "write an int32 array (N, context), padded, and the texts beside it",
                .value = "F.npy"},
          out);
    visit(Field{.name = "model",
                .help = "a checkpoint folder or a model's name [$DIPTYCH_MODEL, else starter]",
                .value = "M"},
          model);
  }
};

std::string Row(const std::string& format, const std::string& text, std::span<const int32_t> ids) {
  if (format == "json") return fmt::format("{{\"text\":{},\"ids\":[{}]}}\n", JsonString(text), fmt::join(ids, ","));
  if (format == "csv") return fmt::format("{},{}\n", CsvField(text), fmt::join(ids, " "));
  return fmt::format("{}\n", fmt::join(ids, " "));
}

Status TokenizeTexts(const Flags& flags, const std::string& format) {
  ASSIGN_OR_RETURN(const std::vector<std::string> texts, GatherTexts(flags.text));
  ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, LoadModelTokenizer(flags.model));
  if (format == "csv" && flags.out.empty()) Print("text,ids\n");
  return Tokenize(*tokenizer, texts, flags.out,
                  [&](const std::string& text, std::span<const int32_t> ids) { return Print(Row(format, text, ids)); });
}

}  // namespace

int RunTokenize(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, TokenizeTexts);
}

}  // namespace diptych::cli
