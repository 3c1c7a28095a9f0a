#include "diptych/store.h"

#include <fmt/format.h>

#include "apps/index.h"
#include "apps/store_care.h"
#include "cli/exit_code.h"
#include "cli/progress_view.h"
#include "cli/run_command.h"
#include "cli/session.h"
#include "index/search.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"store", "Looks after a store: checks it, closes its gaps, merges, exports, imports.",
                               "diptych store verify photos.store\n"
                               "  diptych store merge all.store part0.store part1.store\n"
                               "  diptych store export photos.store folder/"};

struct Flags {
  StoreCareOptions store;
  ModelOptions model;

  template <class V>
  void Visit(V&& visit) {
    store.Visit(visit);
    model.Visit(visit);
  }
};

using Names = std::span<const std::string>;

Status Info(const std::string& folder, const std::string& format) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(folder));
  const StoreIdentity& identity = store->identity();
  const std::optional<Sketch> sketch = OpenSketch(*store);
  const int64_t sketched = sketch ? sketch->rows() : 0;
  if (format == "json") {
    Print(
        fmt::format("{{\"model\":{},\"fingerprint\":{},\"embed_dim\":{},\"pictures\":{},\"vectors\":{},"
                    "\"sketched\":{}}}\n",
                    JsonString(identity.model), JsonString(identity.fingerprint), identity.e, store->count(),
                    store->slots(), sketched));
  } else {
    Print(fmt::format("model        {} ({})\nvectors of   {}\npictures     {}\ngarbage      {}\nsketched     {}\n",
                      identity.model, identity.fingerprint, identity.e, WithCommas(store->count()),
                      WithCommas(store->slots() - store->count()), WithCommas(sketched)));
  }
  return Status::Ok();
}

Status Verify(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(folder));
  int64_t troubles = 0;
  const auto report = [&](const Status& trouble) {
    ++troubles;
    Print(trouble.ToString() + "\n");
  };
  RETURN_IF_ERROR(store->Verify(report));
  if (const std::optional<Sketch> sketch = OpenSketch(*store)) {
    if (const Status status = sketch->Verify(); !status.ok()) report(status);
  }
  if (troubles > 0) return Corrupt(folder, fmt::format("{} troubles were found", troubles));
  Print(fmt::format("{} pictures: ok\n", WithCommas(store->count())));
  return Status::Ok();
}

// A store that exists, for its own model, whichever that is.
Result<std::unique_ptr<Store>> OpenAsItIs(const std::string& folder) {
  StoreIdentity identity;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> reader, Store::Open(folder));
    identity = reader->identity();
  }
  return Store::OpenForWriting(folder, identity);
}

Status CollectGarbage(const std::string& folder, int threads) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenAsItIs(folder));
  ASSIGN_OR_RETURN(const int64_t dropped, store->CollectGarbage());
  Context context(threads);
  RETURN_IF_ERROR(RefreshSketch(context, *store));
  Print(fmt::format("{} vectors dropped, {} pictures\n", WithCommas(dropped), WithCommas(store->count())));
  return Status::Ok();
}

Status Merge(const std::string& folder, Names others, int threads) {
  if (others.empty()) return InvalidArgument("merge", "names no store to take from", "store merge S FROM...");
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> first, Store::Open(others[0]));
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> into, Store::OpenForWriting(folder, first->identity()));
  int64_t added = 0;
  for (const std::string& other : others) {
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> from, Store::Open(other));
    ASSIGN_OR_RETURN(const int64_t some, MergeStores(*into, *from));
    added += some;
  }
  Context context(threads);
  RETURN_IF_ERROR(RefreshSketch(context, *into));
  Print(fmt::format("{} added, {} pictures\n", WithCommas(added), WithCommas(into->count())));
  return Status::Ok();
}

Status Import(const std::string& folder, Names arrays, const ModelOptions& model) {
  if (arrays.empty()) return InvalidArgument("import", "names no array", "store import S F.npy...");
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, OpenModel(model));
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::OpenForWriting(folder, IdentityOf(*clip, model.model)));
  int64_t rows = 0;
  for (const std::string& array : arrays) {
    ASSIGN_OR_RETURN(const int64_t some, ImportArray(*store, array));
    rows += some;
  }
  Context context(ThreadCount(model));
  RETURN_IF_ERROR(RefreshSketch(context, *store));
  Print(fmt::format("{} rows, {} pictures\n", WithCommas(rows), WithCommas(store->count())));
  return Status::Ok();
}

Status Care(const Flags& flags, const std::string& format) {
  const Names arguments = flags.store.arguments;
  if (arguments.size() < 2) return InvalidArgument("", "an action and a store are needed", "diptych store --help");
  const std::string &action = arguments[0], &folder = arguments[1];
  const Names rest = arguments.subspan(2);
  const int threads = ThreadCount(flags.model);
  if (action == "merge") return Merge(folder, rest, threads);
  if (action == "import") return Import(folder, rest, flags.model);
  if (action == "export") {
    if (rest.size() != 1) return InvalidArgument("export", "takes a folder", "store export S FOLDER");
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(folder));
    return ExportStore(*store, rest[0]);
  }
  if (!rest.empty()) return InvalidArgument(action, "takes one store", "diptych store --help");
  if (action == "info") return Info(folder, format);
  if (action == "verify") return Verify(folder);
  if (action == "gc") return CollectGarbage(folder, threads);
  return InvalidArgument(action, "is not an action of store", "info, verify, gc, merge, export or import");
}

}  // namespace

int RunStore(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Care);
}

}  // namespace diptych::cli
