#include "diptych/store.h"

#include <utility>

#include "api/impl.h"
#include "api/process.h"
#include "apps/dedup.h"
#include "apps/dedup_output.h"
#include "apps/index.h"
#include "apps/search.h"
#include "apps/store_care.h"
#include "hub/http.h"
#include "kernels/convert.h"

namespace diptych {
namespace {

Fetcher MakeFetcher(bool allow_private) {
  return [allow_private](const std::string& url) {
    return hub::FetchBytes(url, {.allow_private = allow_private});
  };
}

class WatchSink : public ProgressSink {
 public:
  explicit WatchSink(Watch* watch) : watch_(watch) {}
  void Show(const ProgressState& state) override {
    if (watch_ != nullptr) watch_->done = state.done;
  }

 private:
  Watch* watch_;
};

SkipSink CollectorOf(std::vector<SkippedPicture>& skipped) {
  return [&skipped](const std::string& path, const Status& reason) { skipped.push_back({path, reason.ToString()}); };
}

Runtime TeamOf(int threads) {
  return {.threads = ThreadCount({.threads = threads})};
}

std::string MoveTarget(const DedupOptions& options) {
  return options.move_to.empty() ? "duplicates" : options.move_to;
}

}  // namespace

Result<IndexSummary> Model::Index(const InputOptions& inputs, const IndexOptions& options, Watch* watch) const {
  RETURN_IF_ERROR(EnterProcess());
  IndexSummary summary;
  WatchSink progress(watch);
  const Runtime runtime = {.threads = impl_->runtime.threads,
                           .fetch = MakeFetcher(inputs.allow_private),
                           .progress = &progress,
                           .skip = CollectorOf(summary.skipped)};
  IndexRequest request = {.options = options, .inputs = inputs, .batch = impl_->before->batch, .watch = watch};
  if (!options.shard.empty()) {
    ASSIGN_OR_RETURN(request.part, ParseShard(options.shard));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<PictureInputs> pictures, PictureInputs::Open(inputs, runtime.fetch));
  ASSIGN_OR_RETURN(const IndexSummary indexed, IndexInto(*impl_->clip, *pictures, request,
                                                         IdentityOf(*impl_->clip, impl_->name), runtime));
  if (watch != nullptr && watch->stop) return Cancelled("index");
  summary.counts = indexed.counts;
  summary.pictures = indexed.pictures;
  return summary;
}

Result<SearchAnswer> Model::Search(const SearchOptions& options) const {
  RETURN_IF_ERROR(EnterProcess());
  RETURN_IF_ERROR(CheckSearchOptions(options));
  ASSIGN_OR_RETURN(const OpenedStore store, OpenStore(options.store));
  RETURN_IF_ERROR(CheckSameModel(WithoutPassword(options.store), store.identity(),
                                 IdentityOf(*impl_->clip, impl_->name)));
  const Runtime runtime = {.threads = impl_->runtime.threads, .fetch = MakeFetcher(/*allow_private=*/false)};
  const BatchOptions& batch = impl_->before->batch;
  SearchAnswer answer;
  std::vector<Status> missing;
  ASSIGN_OR_RETURN(answer.hits, SearchStore(*impl_->clip, store, {options, batch}, runtime, &missing));
  for (const Status& shard : missing) answer.missing.push_back(shard.ToString());
  if (!options.html.empty()) RETURN_IF_ERROR(WriteHits(options.html, options, answer.hits, batch.decode));
  return answer;
}

Result<StoreChange> Model::ImportArrays(const std::string& store, const std::vector<std::string>& arrays) const {
  RETURN_IF_ERROR(EnterProcess());
  const ImportRequest request = {.store = store, .arrays = arrays, .model = impl_->name};
  return diptych::ImportArrays(*impl_->clip, request, impl_->runtime.threads);
}

Result<DedupAnswer> Dedup(const DedupOptions& options, const std::vector<std::string>& archives, int threads) {
  RETURN_IF_ERROR(EnterProcess());
  DedupAnswer answer;
  if (!options.undo.empty()) {
    ASSIGN_OR_RETURN(answer.moved, UndoMoves(options.undo, CollectorOf(answer.skipped)));
    return answer;
  }
  if (options.store.empty()) return InvalidArgument("store", "no store was named", "index the pictures first");
  if (options.apply) RETURN_IF_ERROR(CheckMoveTarget(MoveTarget(options)));
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(options.store));
  std::unique_ptr<Store> against;
  if (!options.against.empty()) {
    ASSIGN_OR_RETURN(against, Store::Open(options.against));
  }
  ASSIGN_OR_RETURN(DedupResult found, FindDuplicates(*store, against.get(), options, TeamOf(threads)));
  std::vector<std::string> stored;
  for (const std::string& archive : archives) stored.push_back(StoredPath(archive));
  RETURN_IF_ERROR(WriteDedupOutputs(found, options, stored, DecodeOptions{}));
  if (options.apply) {
    ASSIGN_OR_RETURN(answer.moved, MoveDuplicates(found, MoveTarget(options), CollectorOf(answer.skipped)));
  }
  answer.rows = std::move(found.rows);
  answer.counts = found.counts;
  return answer;
}

Result<StoreInfo> DescribeStore(const std::string& store) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> opened, Store::Open(store));
  return InfoOf(*opened);
}

Result<std::vector<std::string>> VerifyStore(const std::string& store) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> opened, Store::Open(store));
  std::vector<std::string> troubles;
  RETURN_IF_ERROR(VerifyStore(*opened, [&](const Status& trouble) { troubles.push_back(trouble.ToString()); }));
  return troubles;
}

Result<StoreChange> CompactStore(const std::string& store, int threads) {
  RETURN_IF_ERROR(EnterProcess());
  return CollectGarbage(store, TeamOf(threads).threads);
}

Result<StoreChange> MergeStores(const std::string& store, const std::vector<std::string>& others, int threads) {
  RETURN_IF_ERROR(EnterProcess());
  return MergeFolders(store, others, TeamOf(threads).threads);
}

Status ExportStore(const std::string& store, const std::string& folder) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> opened, Store::Open(store));
  return ExportStore(*opened, folder);
}

Result<StoreRows> ReadStore(const std::string& store) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> opened, Store::Open(store));
  const int64_t e = opened->identity().e;
  StoreRows rows;
  rows.embed_dim = e;
  rows.embeddings.resize(static_cast<size_t>(opened->count() * e));
  RETURN_IF_ERROR(opened->ForEach([&](const StoredPicture& picture) {
    const auto row = static_cast<int64_t>(rows.paths.size());
    kernels::ToFloat(TensorView(opened->vectors().Row(picture.slot).data(), DType::kF16, Shape{e}),
                     rows.embeddings.data() + row * e);
    rows.paths.push_back(picture.path);
    return Status::Ok();
  }));
  return rows;
}

}  // namespace diptych
