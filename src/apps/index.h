// Folders of pictures -> a store of embeddings, again and again: only what is new or changed is embedded.
#ifndef DIPTYCH_APPS_INDEX_H_
#define DIPTYCH_APPS_INDEX_H_

#include <string>
#include <vector>

#include "apps/inputs.h"
#include "apps/runtime.h"
#include "apps/shard.h"
#include "diptych/index.h"
#include "diptych/watch.h"
#include "index/picture_store.h"

namespace diptych {

/// Whose embeddings this model's are.
StoreIdentity IdentityOf(const Clip& clip, const std::string& name);

struct IndexRequest {
  IndexOptions options;
  InputOptions inputs;  // as they were opened: folders and archives among them are searched for what is gone
  BatchOptions batch;
  ShardPart part;          // of the pictures; what is gone is forgotten of this part alone
  Watch* watch = nullptr;  // may be null; when it stops, what was embedded is committed and nothing forgotten
};

/// A picture is unchanged where path, size and time are; renamed where its bytes are known under a path that is gone.
/// What a folder or an archive among the inputs does not hold any more is forgotten, unless it could not be read whole.
/// Commits every so many pictures and at the end; when it fails, what was committed stays.
Result<IndexCounts> IndexPictures(const Clip& clip, PictureInputs& inputs, const IndexRequest& request,
                                  PictureStore& store, const Runtime& runtime);

/// The same into the store that options.store names, a folder or servers, made where there is none; then what makes
/// searching it fast is brought up to date. `skipped` stays empty: runtime.skip heard of those.
Result<IndexSummary> IndexInto(const Clip& clip, PictureInputs& inputs, const IndexRequest& request,
                               const StoreIdentity& identity, const Runtime& runtime);

}  // namespace diptych

#endif  // DIPTYCH_APPS_INDEX_H_
