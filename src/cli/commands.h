// The commands of the program. Each parses its arguments, runs a feature of apps/ and writes its rows.
#ifndef DIPTYCH_CLI_COMMANDS_H_
#define DIPTYCH_CLI_COMMANDS_H_

#include <string>
#include <vector>

namespace diptych::cli {

using Arguments = std::vector<std::string>;  // without the program's and the command's name

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments& arguments);  // -> exit code
};

int RunClassify(const Arguments& arguments);
int RunEmbed(const Arguments& arguments);
int RunSimilarity(const Arguments& arguments);
int RunTokenize(const Arguments& arguments);
int RunPixels(const Arguments& arguments);
int RunInfo(const Arguments& arguments);
int RunModels(const Arguments& arguments);
int RunPull(const Arguments& arguments);
int RunBench(const Arguments& arguments);
int RunTrain(const Arguments& arguments);
int RunIndex(const Arguments& arguments);
int RunWatch(const Arguments& arguments);
int RunSearch(const Arguments& arguments);
int RunDedup(const Arguments& arguments);
int RunStore(const Arguments& arguments);

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_COMMANDS_H_
