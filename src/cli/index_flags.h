// What index and watch share.
#ifndef DIPTYCH_CLI_INDEX_FLAGS_H_
#define DIPTYCH_CLI_INDEX_FLAGS_H_

#include <string>

#include "apps/index.h"
#include "cli/session.h"

namespace diptych::cli {

struct IndexFlags {
  IndexOptions index;
  PictureFlags pictures;

  template <class V>
  void Visit(V&& visit) {
    index.Visit(visit);
    pictures.Visit(visit);
  }
};

void PrintIndexCounts(const IndexSummary& summary, const std::string& format);

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_INDEX_FLAGS_H_
