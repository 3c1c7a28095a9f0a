// What is looked for: words and pictures, added and subtracted.
#ifndef DIPTYCH_APPS_QUERY_H_
#define DIPTYCH_APPS_QUERY_H_

#include <string>
#include <string_view>
#include <vector>

#include "apps/runtime.h"
#include "clip/batcher.h"
#include "diptych/search.h"

namespace diptych {

struct QueryTerm {
  double weight = 1;
  std::string name;  // a text, a path or an address
  bool picture = false;
};

/// "2:a dog + ./beach.jpg - snow", rclip's syntax: terms between " + " and " - ", each with a weight before a colon or
/// without. A term is a picture if it is an address or a file of that name exists. Errors: an empty term.
Result<std::vector<QueryTerm>> ParseQuery(std::string_view text);

/// All terms that the options name: texts, pictures, the expression. Errors: none at all.
Result<std::vector<QueryTerm>> GatherTerms(const SearchOptions& options);

/// The weighted sum of the terms' embeddings, each normalised, and normalised itself: (E). Errors: a picture that
/// cannot be read; terms that cancel each other.
Result<std::vector<float>> EmbedQuery(const Clip& clip, const std::vector<QueryTerm>& terms, const BatchOptions& batch,
                                      const Runtime& runtime);

}  // namespace diptych

#endif  // DIPTYCH_APPS_QUERY_H_
