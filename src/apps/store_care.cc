#include "apps/store_care.h"

#include <cmath>
#include <filesystem>
#include <unordered_set>
#include <utility>
#include <vector>

#include "apps/array_file.h"
#include "apps/index.h"
#include "apps/open_store.h"
#include "apps/texts.h"
#include "core/npy.h"
#include "core/parquet.h"
#include "index/search.h"
#include "kernels/convert.h"

namespace diptych {
namespace {

constexpr int64_t kCommitEvery = 10000;

Result<StoreChange> Finish(const Store& store, int64_t changed, int threads) {
  Context context(threads);
  RETURN_IF_ERROR(RefreshSketch(context, store));
  return StoreChange{.changed = changed, .pictures = store.count()};
}

}  // namespace

Result<int64_t> MergeStores(PictureStore& into, const Store& from) {
  RETURN_IF_ERROR(CheckSameModel("the first store", into.identity(), from.identity()).Within(from.folder()));
  const int64_t e = from.identity().e;
  std::vector<float> embedding(static_cast<size_t>(e));
  std::unordered_set<std::string> known;
  RETURN_IF_ERROR(into.ForEach([&](const StoredPicture& picture) { return known.insert(picture.path), Status::Ok(); }));
  int64_t added = 0;
  RETURN_IF_ERROR(from.ForEach([&](const StoredPicture& picture) -> Status {
    if (known.contains(picture.path)) return Status::Ok();
    kernels::ToFloat(TensorView(from.vectors().Row(picture.slot).data(), DType::kF16, Shape{e}), embedding.data());
    into.Add(picture, embedding);
    ++added;
    return into.pending() >= kCommitEvery ? into.Commit() : Status::Ok();
  }));
  RETURN_IF_ERROR(into.Commit());
  return added;
}

Status ExportStore(const Store& store, const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const char* part : {"img_emb", "metadata"}) {
    fs::create_directories(fs::path(folder) / part, error);
    if (error) return IoError(folder, "cannot be made: " + error.message());
  }
  ASSIGN_OR_RETURN(ArrayFile array, ArrayFile::Create((fs::path(folder) / "img_emb/img_emb_0.npy").string(),
                                                      DType::kF16, Shape{store.identity().e}, RowNames::kPaths));
  std::vector<std::string> paths, captions;
  std::vector<int64_t> widths, heights;
  RETURN_IF_ERROR(store.ForEach([&](const StoredPicture& picture) {
    paths.push_back(picture.path);
    captions.push_back(picture.caption);
    widths.push_back(picture.width);
    heights.push_back(picture.height);
    return array.Append(store.vectors().Row(picture.slot).data(), picture.path);
  }));
  RETURN_IF_ERROR(array.Finish());
  return WriteParquet((fs::path(folder) / "metadata/metadata_0.parquet").string(), {{"image_path", std::move(paths)},
                                                                                    {"caption", std::move(captions)},
                                                                                    {"width", std::move(widths)},
                                                                                    {"height", std::move(heights)}});
}

Result<int64_t> ImportArray(Store& store, const std::string& path) {
  ASSIGN_OR_RETURN(const Tensor array, ReadNpy(path));
  const std::string names = path.substr(0, path.size() - std::string_view(".npy").size()) + ".paths.txt";
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, ReadLines(names, "import"));
  const int64_t e = store.identity().e;
  if (array.dtype() == DType::kI32 || array.shape().rank() != 2 || array.shape()[1] != e) {
    return InvalidArgument(path, "is not an array of vectors of " + std::to_string(e) + " values");
  }
  const int64_t n = array.shape()[0];
  if (static_cast<int64_t>(paths.size()) != n) {
    return InvalidArgument(names,
                           "has " + std::to_string(paths.size()) + " lines, the array " + std::to_string(n) + " rows");
  }
  std::vector<float> row(static_cast<size_t>(e));
  const auto* bytes = static_cast<const uint8_t*>(array.view().raw());
  for (int64_t i = 0; i < n; ++i) {
    const size_t row_bytes = static_cast<size_t>(e) * SizeOf(array.dtype());
    kernels::ToFloat(TensorView(bytes + static_cast<size_t>(i) * row_bytes, array.dtype(), Shape{e}), row.data());
    double squares = 0;
    for (const float value : row) squares += static_cast<double>(value) * static_cast<double>(value);
    if (!(squares > 0) || !std::isfinite(squares)) {
      return InvalidArgument(path, "row " + std::to_string(i) + " has no direction");
    }
    for (float& value : row) value = static_cast<float>(static_cast<double>(value) / std::sqrt(squares));
    const std::string& name = paths[static_cast<size_t>(i)];
    // What is not known of the picture yet, `index` fills in: its time differs, so it is read again.
    const ByteSpan named(reinterpret_cast<const uint8_t*>(name.data()), name.size());
    store.Add({.path = StoredPath(name), .content = HashBytes(named)}, row);
    if (store.pending() >= kCommitEvery) RETURN_IF_ERROR(store.Commit());
  }
  RETURN_IF_ERROR(store.Commit());
  return n;
}

StoreInfo InfoOf(const Store& store) {
  const StoreIdentity& identity = store.identity();
  const std::optional<Sketch> sketch = OpenSketch(store);
  return {.model = identity.model,
          .fingerprint = identity.fingerprint,
          .embed_dim = identity.e,
          .pictures = store.count(),
          .vectors = store.slots(),
          .sketched = sketch ? sketch->rows() : 0};
}

Status VerifyStore(const Store& store, const std::function<void(const Status&)>& found) {
  RETURN_IF_ERROR(store.Verify(found));
  if (const std::optional<Sketch> sketch = OpenSketch(store)) {
    if (const Status status = sketch->Verify(); !status.ok()) found(status);
  }
  return Status::Ok();
}

Result<StoreChange> CollectGarbage(const std::string& folder, int threads) {
  StoreIdentity identity;  // its own, whichever that is
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> reader, Store::Open(folder));
    identity = reader->identity();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::OpenForWriting(folder, identity));
  ASSIGN_OR_RETURN(const int64_t dropped, store->CollectGarbage());
  return Finish(*store, dropped, threads);
}

Result<StoreChange> MergeFolders(const std::string& folder, std::span<const std::string> others, int threads) {
  if (others.empty()) return InvalidArgument("merge", "names no store to take from", "store merge S FROM...");
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> first, Store::Open(others[0]));
  ASSIGN_OR_RETURN(const OpenedStore into, OpenStoreForWriting(folder, first->identity()));
  int64_t added = 0;
  for (const std::string& other : others) {
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> from, Store::Open(other));
    ASSIGN_OR_RETURN(const int64_t some, MergeStores(into.pictures(), *from));
    added += some;
  }
  RETURN_IF_ERROR(RefreshSearch(into, threads));
  return StoreChange{.changed = added, .pictures = into.pictures().count()};
}

Result<StoreChange> ImportArrays(const Clip& clip, const ImportRequest& request, int threads) {
  if (request.arrays.empty()) return InvalidArgument("import", "names no array", "store import S F.npy...");
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                   Store::OpenForWriting(request.store, IdentityOf(clip, request.model)));
  int64_t rows = 0;
  for (const std::string& array : request.arrays) {
    ASSIGN_OR_RETURN(const int64_t some, ImportArray(*store, array));
    rows += some;
  }
  return Finish(*store, rows, threads);
}

}  // namespace diptych
