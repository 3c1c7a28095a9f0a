// diptych COMMAND ...: finds the command, or tells what there is.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"

namespace diptych::cli {
namespace {

constexpr Command kCommands[] = {
    {"classify", "name what is in pictures, from nothing but labels", RunClassify},
    {"embed", "pictures or texts to vectors", RunEmbed},
    {"similarity", "compare pictures with pictures and texts", RunSimilarity},
    {"index", "keep a store of embeddings up to date with folders", RunIndex},
    {"watch", "keep it up to date while it runs", RunWatch},
    {"search", "find pictures of a store by words or pictures", RunSearch},
    {"dedup", "find pictures that are there twice", RunDedup},
    {"store", "check, merge, export and import stores", RunStore},
    {"train", "train a model, or train one further", RunTrain},
    {"tokenize", "texts to token ids", RunTokenize},
    {"pixels", "pictures to the numbers that the image tower sees", RunPixels},
    {"info", "what a model is", RunInfo},
    {"models", "the published checkpoints that can be loaded by name", RunModels},
    {"pull", "download a model", RunPull},
    {"bench", "how fast a model runs here", RunBench},
};

std::string Overview() {
  std::string text = "diptych: pictures and texts in one space (CLIP), on a CPU.\n\nUsage: diptych COMMAND ...\n\n";
  for (const Command& command : kCommands) text += fmt::format("  {:<12}{}\n", command.name, command.summary);
  return text +
         "\nTry:\n  diptych classify photo.jpg --labels cat,dog,car\n"
         "  diptych COMMAND --help\n";
}

// Levenshtein distance: how many letters must be changed.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

int UnknownCommand(const std::string& name) {
  const Command* nearest = std::min_element(
      std::begin(kCommands), std::end(kCommands),
      [&](const Command& a, const Command& b) { return Distance(name, a.name) < Distance(name, b.name); });
  const bool near = Distance(name, nearest->name) <= 2 || std::string_view(nearest->name).starts_with(name);
  const std::string hint = near ? fmt::format("did you mean \"{}\"?", nearest->name) : "see diptych --help";
  fmt::print(stderr, "diptych: there is no command \"{}\"; {}\n", name, hint);
  return kExitUsage;
}

int Main(int argc, char** argv) {
  // A reader that has seen enough (head) ends the program, quietly, even if our parent ignores the signal.
  std::signal(SIGPIPE, SIG_DFL);
  const Arguments arguments(argv + std::min(argc, 1), argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    fmt::print(arguments.empty() ? stderr : stdout, "{}", Overview());
    return arguments.empty() ? kExitUsage : kExitOk;
  }
  if (arguments[0] == "--version") {
    fmt::print("diptych {}\n", DIPTYCH_VERSION);
    return kExitOk;
  }
  for (const Command& command : kCommands) {
    if (arguments[0] == command.name) return command.run({arguments.begin() + 1, arguments.end()});
  }
  return UnknownCommand(arguments[0]);
}

}  // namespace
}  // namespace diptych::cli

int main(int argc, char** argv) {
  return diptych::cli::Main(argc, argv);
}
