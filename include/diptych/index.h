// A store of embeddings, kept up to date with folders of pictures.
#ifndef DIPTYCH_INDEX_H_
#define DIPTYCH_INDEX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "diptych/options.h"

namespace diptych {

struct IndexOptions {
  std::string store;
  std::string shard;  // "i/n": only the i-th of n parts of the pictures, i from 0
  bool keep_missing = false;
  int commit_every = 1000;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "store",
                .help = "the folder of the store, or postgres://HOST,HOST/DATABASE; made where there is none",
                .value = "S"},
          store);
    visit(Field{.name = "shard",
                .help = "only this part of the pictures, i from 0; mpirun gives it too",
                .value = "i/n"},
          shard);
    visit(Field{.name = "keep_missing", .help = "do not forget pictures that are gone from the folders"}, keep_missing);
    visit(Field{.name = "commit_every",
                .help = "pictures between commits: what a crash can lose",
                .value = "N",
                .min = 1,
                .max = 1000000},
          commit_every);
  }
};

struct IndexCounts {
  int64_t added = 0;
  int64_t changed = 0;  // other bytes under a path that was known: embedded anew
  int64_t renamed = 0;
  int64_t unchanged = 0;
  int64_t removed = 0;
  int64_t skipped = 0;
};

struct SkippedPicture {
  std::string path, reason;
};

struct IndexSummary {
  IndexCounts counts;
  int64_t pictures = 0;  // in the store now
  std::vector<SkippedPicture> skipped;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_H_
