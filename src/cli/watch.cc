#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "apps/watch_folders.h"
#include "cli/index_flags.h"
#include "cli/progress_view.h"
#include "cli/run_command.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"watch",
                               "Keeps a store of embeddings up to date with folders for as long as it runs.",
                               "diptych watch photos/ --store photos.store\n\n"
                               "Ctrl-C and SIGTERM end it; what is embedded by then is kept."};

Watch asked;

void AskToStop(int) {
  asked.stop = true;
}

Result<int> WatchStore(const IndexFlags& flags, const std::string& format) {
  if (flags.pictures.input.inputs.empty() || !flags.pictures.input.files_from.empty()) {
    return InvalidArgument("", "folders are watched, and none was named", "diptych watch photos/ --store photos.store");
  }
  ASSIGN_OR_RETURN(const ShardPart part, ParseShard(flags.index.shard));
  ASSIGN_OR_RETURN(PictureSession session, StartPictures(kHelp.name, flags.pictures));
  std::signal(SIGINT, AskToStop);
  std::signal(SIGTERM, AskToStop);
  const IndexRequest request = {flags.index, flags.pictures.input, session.batch, part, &asked};
  WatchSinks sinks;
  sinks.round = [&](const IndexSummary& summary) {
    ClearProgressLine();
    PrintIndexCounts(summary, format);
    std::fflush(stdout);
  };
  sinks.trouble = [](const Status& status) {
    ClearProgressLine();
    fmt::print(stderr, "diptych watch: {}: trying again\n", status.ToString());
  };
  RETURN_IF_ERROR(WatchFolders(*session.clip, request, IdentityOf(*session.clip, flags.pictures.model.model),
                               session.runtime, sinks));
  return FinishOutput(kHelp.name, Status::Ok());
}

}  // namespace

int RunWatch(const Arguments& arguments) {
  return RunCommand<IndexFlags>(kHelp, arguments, WatchStore);
}

}  // namespace diptych::cli
