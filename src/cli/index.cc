#include "apps/index.h"

#include <fmt/format.h>

#include "apps/open_store.h"
#include "cli/progress_view.h"
#include "cli/run_command.h"
#include "cli/session.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"index", "Keeps a store of embeddings up to date with folders of pictures.",
                               "diptych index photos/ --store photos.store\n"
                               "  diptych search \"a red car\" --store photos.store"};

struct Flags {
  IndexOptions index;
  PictureFlags pictures;

  template <class V>
  void Visit(V&& visit) {
    index.Visit(visit);
    pictures.Visit(visit);
  }
};

void PrintCounts(const IndexCounts& counts, int64_t stored, const std::string& format) {
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

Result<int> Index(const Flags& flags, const std::string& format) {
  RETURN_IF_ERROR(ParseShard(flags.index.shard).status());
  ASSIGN_OR_RETURN(PictureSession session, StartPictures(kHelp.name, flags.pictures));
  const StoreIdentity identity = IdentityOf(*session.clip, flags.pictures.model.model);
  const IndexRequest request = {flags.index, flags.pictures.input, session.batch};
  ASSIGN_OR_RETURN(const OpenedStore store, OpenStoreForWriting(flags.index.store, identity));
  ASSIGN_OR_RETURN(const IndexCounts counts,
                   IndexPictures(*session.clip, *session.inputs, request, store.pictures(), session.runtime));
  RETURN_IF_ERROR(RefreshSearch(store, session.runtime.threads));
  PrintCounts(counts, store.pictures().count(), format);
  const int64_t done = counts.added + counts.changed + counts.renamed + counts.unchanged + counts.removed;
  return session.run->Finish({.done = done, .skipped = counts.skipped});
}

}  // namespace

int RunIndex(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Index);
}

}  // namespace diptych::cli
