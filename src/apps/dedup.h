// Groups of duplicates in a store, or between two, in three tiers found in one pass: the same bytes, the same picture
// (perceptual hash), the same scene (embedding).
#ifndef DIPTYCH_APPS_DEDUP_H_
#define DIPTYCH_APPS_DEDUP_H_

#include <vector>

#include "apps/runtime.h"
#include "diptych/dedup.h"
#include "index/store.h"

namespace diptych {

struct DedupResult {
  std::vector<DuplicateRow> rows;   // by group, the one that is kept first
  std::vector<std::string> unique;  // paths of pictures in no group
  DedupCounts counts;
};

/// Every picture that can go has a pair with the one that its group keeps: likeness is not passed on from picture to
/// picture, so that a burst does not grow into one endless group. With `against` (may be null) groups hold a picture of
/// that store, which stays, and those of `store` that are like it. Deterministic, at any number of threads.
Result<DedupResult> FindDuplicates(const Store& store, const Store* against, const DedupOptions& options,
                                   const Runtime& runtime);

/// Whether fingerprints are enough for what the options ask, so that no embeddings are needed.
bool NeedsNoEmbeddings(const DedupOptions& options);

/// FindDuplicates for pictures of which nothing but their fingerprints is known (apps/fingerprints.h).
/// NeedsNoEmbeddings(options).
Result<DedupResult> FindCopies(const std::vector<StoredPicture>& pictures, const DedupOptions& options,
                               const Runtime& runtime);

}  // namespace diptych

#endif  // DIPTYCH_APPS_DEDUP_H_
