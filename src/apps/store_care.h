// Stores into stores, and to and from the files of other tools.
#ifndef DIPTYCH_APPS_STORE_CARE_H_
#define DIPTYCH_APPS_STORE_CARE_H_

#include <cstdint>
#include <string>

#include "core/status.h"
#include "index/store.h"

namespace diptych {

/// Adds the pictures of `from` whose paths `into` does not have. Commits. Returns how many. Errors: another model's.
Result<int64_t> MergeStores(Store& into, const Store& from);

/// Writes clip-retrieval's folders: img_emb/img_emb_0.npy (float16, normalised), metadata/metadata_0.parquet with
/// image_path, caption, width, height; and img_emb/img_emb_0.paths.txt, a line a row.
Status ExportStore(const Store& store, const std::string& folder);

/// Adds the rows of F.npy, float32 or float16, under the paths of F.paths.txt beside it; as `embed --out` and
/// ExportStore write them. Rows are normalised. Commits. Errors: another width, another number of paths, a row without
/// a direction.
Result<int64_t> ImportArray(Store& store, const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_APPS_STORE_CARE_H_
