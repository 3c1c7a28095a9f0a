// Stores into stores, and to and from the files of other tools.
#ifndef DIPTYCH_APPS_STORE_CARE_H_
#define DIPTYCH_APPS_STORE_CARE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "clip/clip.h"
#include "core/status.h"
#include "diptych/store.h"
#include "index/store.h"

namespace diptych {

/// Adds the pictures of `from` whose paths `into` does not have: what failed can be called again. Commits. Returns how
/// many. Errors: another model's.
Result<int64_t> MergeStores(PictureStore& into, const Store& from);

/// Writes clip-retrieval's folders: img_emb/img_emb_0.npy (float16, normalised), metadata/metadata_0.parquet with
/// image_path, caption, width, height; and img_emb/img_emb_0.paths.txt, a line a row.
Status ExportStore(const Store& store, const std::string& folder);

/// Adds the rows of F.npy, float32 or float16, under the paths of F.paths.txt beside it; as `embed --out` and
/// ExportStore write them. Rows are normalised. Commits. Errors: another width, another number of paths, a row without
/// a direction.
Result<int64_t> ImportArray(Store& store, const std::string& path);

// The same and more by the folders' names, as users call them. What a search reads is renewed where vectors changed.

StoreInfo InfoOf(const Store& store);
/// Sketches too. `found` is called with each trouble.
Status VerifyStore(const Store& store, const std::function<void(const Status&)>& found);
Result<StoreChange> CollectGarbage(const std::string& folder, int threads);
Result<StoreChange> MergeFolders(const std::string& into, std::span<const std::string> others, int threads);
struct ImportRequest {
  std::string store;
  std::span<const std::string> arrays;
  std::string model;  // the name that loaded `clip`
};
Result<StoreChange> ImportArrays(const Clip& clip, const ImportRequest& request, int threads);

}  // namespace diptych

#endif  // DIPTYCH_APPS_STORE_CARE_H_
