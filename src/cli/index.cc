#include "apps/index.h"

#include <fmt/format.h>

#include "cli/index_flags.h"
#include "cli/progress_view.h"
#include "cli/run_command.h"
#include "index/remote.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"index", "Keeps a store of embeddings up to date with folders of pictures.",
                               "diptych index photos/ --store photos.store\n"
                               "  diptych search \"a red car\" --store photos.store"};

Result<int> Index(const IndexFlags& flags, const std::string& format) {
  ASSIGN_OR_RETURN(const ShardPart part, ParseShard(flags.index.shard));
  ASSIGN_OR_RETURN(PictureSession session, StartPictures(kHelp.name, flags.pictures));
  IndexRequest request = {flags.index, flags.pictures.input, session.batch, part};
  // Parts of a job write to the same servers, but a folder has one writer.
  if (!IsRemoteAddress(flags.index.store)) request.options.store = part.Output(flags.index.store);
  ASSIGN_OR_RETURN(const IndexSummary summary,
                   IndexInto(*session.clip, *session.inputs, request,
                             IdentityOf(*session.clip, flags.pictures.model.model), session.runtime));
  PrintIndexCounts(summary, format);
  const IndexCounts& counts = summary.counts;
  const int64_t done = counts.added + counts.changed + counts.renamed + counts.unchanged + counts.removed;
  if (part.count > 1 && done + counts.skipped == 0) return FinishOutput(kHelp.name, Status::Ok());  // others have work
  return session.run->Finish({.done = done, .skipped = counts.skipped});
}

}  // namespace

void PrintIndexCounts(const IndexSummary& summary, const std::string& format) {
  const IndexCounts& counts = summary.counts;
  const int64_t stored = summary.pictures;
  if (format == "json") {
    Print(fmt::format(
        "{{\"added\":{},\"changed\":{},\"renamed\":{},\"unchanged\":{},\"removed\":{},\"skipped\":{},"
        "\"pictures\":{}}}\n",
        counts.added, counts.changed, counts.renamed, counts.unchanged, counts.removed, counts.skipped, stored));
  } else if (format == "csv") {
    Print(fmt::format("added,changed,renamed,unchanged,removed,skipped,pictures\n{},{},{},{},{},{},{}\n", counts.added,
                      counts.changed, counts.renamed, counts.unchanged, counts.removed, counts.skipped, stored));
  } else {
    Print(fmt::format("{} added, {} changed, {} renamed, {} unchanged, {} removed, {} skipped: {} pictures\n",
                      WithCommas(counts.added), WithCommas(counts.changed), WithCommas(counts.renamed),
                      WithCommas(counts.unchanged), WithCommas(counts.removed), WithCommas(counts.skipped),
                      WithCommas(stored)));
  }
}

int RunIndex(const Arguments& arguments) {
  return RunCommand<IndexFlags>(kHelp, arguments, Index);
}

}  // namespace diptych::cli
