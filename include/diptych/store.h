// Care of a store of embeddings.
#ifndef DIPTYCH_STORE_H_
#define DIPTYCH_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "diptych/export.h"
#include "diptych/options.h"
#include "diptych/status.h"

namespace diptych {

struct StoreCareOptions {
  std::vector<std::string> arguments;  // the action, the store, what else the action takes

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "argument",
                .help = "info S | verify S | gc S | merge S FROM... | export S FOLDER | import S F.npy...",
                .value = "ACTION",
                .positional = true},
          arguments);
  }
};

struct StoreInfo {
  std::string model, fingerprint;  // whose embeddings it holds
  int64_t embed_dim = 0;           // E
  int64_t pictures = 0;
  int64_t vectors = 0;   // those of pictures that are gone too
  int64_t sketched = 0;  // vectors that a search need not read whole
};

struct StoreChange {
  int64_t changed = 0;   // vectors dropped, or pictures added
  int64_t pictures = 0;  // in the store now
};

struct StoreRows {
  std::vector<std::string> paths;  // (N)
  std::vector<float> embeddings;   // (N, E), of length 1, as precise as the store's half floats
  int64_t embed_dim = 0;           // E
};

/// Of a store in a folder. Errors of all of these: no store there, one of another version, a damaged one; of those that
/// write: somebody else is writing.
DIPTYCH_EXPORT Result<StoreInfo> DescribeStore(const std::string& store);
/// Reads everything and tells each trouble.
DIPTYCH_EXPORT Result<std::vector<std::string>> VerifyStore(const std::string& store);
/// Rewrites the vectors without those of pictures that are gone.
DIPTYCH_EXPORT Result<StoreChange> CompactStore(const std::string& store, int threads = 0);
/// Adds the pictures of `others` whose paths `store` does not have; it is made where there is none.
DIPTYCH_EXPORT Result<StoreChange> MergeStores(const std::string& store, const std::vector<std::string>& others,
                                               int threads = 0);
/// Writes clip-retrieval's folders: img_emb/img_emb_0.npy (float16) and metadata/metadata_0.parquet.
DIPTYCH_EXPORT Status ExportStore(const std::string& store, const std::string& folder);
DIPTYCH_EXPORT Result<StoreRows> ReadStore(const std::string& store);

}  // namespace diptych

#endif  // DIPTYCH_STORE_H_
