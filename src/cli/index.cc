#include "apps/index.h"

#include <fmt/format.h>

#include "cli/progress_view.h"
#include "cli/run_command.h"
#include "cli/session.h"
#include "index/remote.h"
#include "index/search.h"
#include "index/store.h"

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
  if (flags.index.store.empty()) return InvalidArgument("store", "no store was named", "give --store FOLDER");
  RETURN_IF_ERROR(ParseShard(flags.index.shard).status());
  ASSIGN_OR_RETURN(PictureSession session, StartPictures(kHelp.name, flags.pictures));
  const StoreIdentity identity = IdentityOf(*session.clip, flags.pictures.model.model);
  const IndexRequest request = {flags.index, flags.pictures.input, session.batch};
  IndexCounts counts;
  if (IsRemoteAddress(flags.index.store)) {
    ASSIGN_OR_RETURN(const std::unique_ptr<RemoteStore> store, OpenRemote(flags.index.store, &identity));
    ASSIGN_OR_RETURN(counts, IndexPictures(*session.clip, *session.inputs, request, *store, session.runtime));
    RETURN_IF_ERROR(store->BuildIndex());
    PrintCounts(counts, store->count(), format);
  } else {
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::OpenForWriting(flags.index.store, identity));
    ASSIGN_OR_RETURN(counts, IndexPictures(*session.clip, *session.inputs, request, *store, session.runtime));
    Context context(session.runtime.threads);
    RETURN_IF_ERROR(RefreshSketch(context, *store));
    PrintCounts(counts, store->count(), format);
  }
  const int64_t done = counts.added + counts.changed + counts.renamed + counts.unchanged + counts.removed;
  return session.run->Finish({.done = done, .skipped = counts.skipped});
}

}  // namespace

int RunIndex(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Index);
}

}  // namespace diptych::cli
