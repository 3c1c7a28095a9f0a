#include "diptych/store.h"

#include <fmt/format.h>

#include "apps/store_care.h"
#include "cli/progress_view.h"
#include "cli/run_command.h"
#include "cli/session.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"store", "Looks after a store: checks it, closes its gaps, merges, exports, imports.",
                               "diptych store verify photos.store\n"
                               "  diptych store merge all.store part0.store part1.store\n"
                               "  diptych store merge postgres://host1,host2/pictures photos.store\n"
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
  const StoreInfo info = InfoOf(*store);
  if (format == "json") {
    Print(fmt::format(
        "{{\"model\":{},\"fingerprint\":{},\"embed_dim\":{},\"pictures\":{},\"vectors\":{},\"sketched\":{}}}\n",
        JsonString(info.model), JsonString(info.fingerprint), info.embed_dim, info.pictures, info.vectors,
        info.sketched));
  } else {
    Print(fmt::format("model        {} ({})\nvectors of   {}\npictures     {}\ngarbage      {}\nsketched     {}\n",
                      info.model, info.fingerprint, info.embed_dim, WithCommas(info.pictures),
                      WithCommas(info.vectors - info.pictures), WithCommas(info.sketched)));
  }
  return Status::Ok();
}

Status Verify(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(folder));
  int64_t troubles = 0;
  RETURN_IF_ERROR(VerifyStore(*store, [&](const Status& trouble) {
    ++troubles;
    Print(trouble.ToString() + "\n");
  }));
  if (troubles > 0)
    return Corrupt(folder, troubles == 1 ? "a trouble was found" : fmt::format("{} troubles were found", troubles));
  Print(fmt::format("{} pictures: ok\n", WithCommas(store->count())));
  return Status::Ok();
}

// "3 added, 10 pictures"
Status Report(const Result<StoreChange>& change, const char* what) {
  RETURN_IF_ERROR(change.status());
  Print(fmt::format("{} {}, {} pictures\n", WithCommas(change->changed), what, WithCommas(change->pictures)));
  return Status::Ok();
}

Result<StoreChange> Import(const std::string& folder, Names arrays, const ModelOptions& model) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, OpenModel(model));
  return ImportArrays(*clip, {.store = folder, .arrays = arrays, .model = model.model}, ThreadCount(model));
}

Status Care(const Flags& flags, const std::string& format) {
  const Names arguments = flags.store.arguments;
  if (arguments.size() < 2) return InvalidArgument("", "an action and a store are needed", "diptych store --help");
  const std::string &action = arguments[0], &folder = arguments[1];
  const Names rest = arguments.subspan(2);
  const int threads = ThreadCount(flags.model);
  if (action == "merge") return Report(MergeFolders(folder, rest, threads), "added");
  if (action == "import") return Report(Import(folder, rest, flags.model), "rows");
  if (action == "export") {
    if (rest.size() != 1) return InvalidArgument("export", "takes a folder", "store export S FOLDER");
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(folder));
    return ExportStore(*store, rest[0]);
  }
  if (!rest.empty()) return InvalidArgument(action, "takes one store", "diptych store --help");
  if (action == "info") return Info(folder, format);
  if (action == "verify") return Verify(folder);
  if (action == "gc") return Report(CollectGarbage(folder, threads), "vectors dropped");
  return InvalidArgument(action, "is not an action of store", "info, verify, gc, merge, export or import");
}

}  // namespace

int RunStore(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Care);
}

}  // namespace diptych::cli
