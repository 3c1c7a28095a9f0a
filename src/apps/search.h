// Pictures of a store by meaning: words, pictures, sums of both; filtered, cut where the answer ends.
#ifndef DIPTYCH_APPS_SEARCH_H_
#define DIPTYCH_APPS_SEARCH_H_

#include <optional>
#include <vector>

#include "apps/open_store.h"
#include "apps/query.h"
#include "apps/runtime.h"
#include "diptych/search.h"
#include "index/search.h"

namespace diptych {

/// What can be said against the options before a model is loaded.
Status CheckSearchOptions(const SearchOptions& options);

struct SearchRequest {
  SearchOptions options;
  BatchOptions batch;  // how pictures of the query are read
};

/// The hits, best first. With options.fdr or options.likely as many of the best options.top as belong. Of a store on
/// database servers, `missing` (may be null for one in a folder) gets the shards that did not answer: without them the
/// answer is partial. Errors: no shard answered; there, --fdr with a query that is not words alone.
Result<std::vector<SearchHit>> SearchStore(const Clip& clip, const OpenedStore& store, const SearchRequest& request,
                                           const Runtime& runtime, std::vector<Status>* missing);

/// The hits as a page with their pictures.
Status WriteHits(const std::string& path, const SearchOptions& options, const std::vector<SearchHit>& hits,
                 const DecodeOptions& decode);

}  // namespace diptych

#endif  // DIPTYCH_APPS_SEARCH_H_
