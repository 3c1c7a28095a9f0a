// Stores on database servers: PostgreSQL with pgvector, one shard a server.
#ifndef DIPTYCH_INDEX_REMOTE_H_
#define DIPTYCH_INDEX_REMOTE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/status.h"
#include "index/filter.h"
#include "index/picture_store.h"

namespace diptych {

struct RemoteHit {
  StoredPicture picture;
  float score = 0;
  std::vector<float> embedding;  // (E)
};

struct RemoteAnswer {
  std::vector<RemoteHit> hits;  // best first
  std::vector<Status> missing;  // shards that did not answer: the hits are those of the others
};

/// A picture belongs to the shard whose name and its content's hash together hash highest (rendezvous hashing): a shard
/// more or less moves no pictures but its own. Each shard's part of a commit is one transaction of its server; a commit
/// that fails on one shard is made up for by indexing again, and no picture is ever there twice.
class RemoteStore : public PictureStore {
 public:
  /// Every shard is asked for its best k at once. `exact` reads all vectors; else an HNSW index is used where there is
  /// one. Scores are computed anew here. Errors: no shard answered.
  virtual Result<RemoteAnswer> Search(std::span<const float> query, int64_t k, const Filter* filter, bool exact) = 0;
  /// Builds the servers' HNSW indices where they hold enough vectors. After loading: it is much faster then.
  virtual Status BuildIndex() = 0;
};

/// "postgres://..." or "postgresql://...".
bool IsRemoteAddress(const std::string& store);

/// postgres://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]...]/DATABASE[?OPTIONS]: each host is a shard.
/// With an identity: makes tables where there are none, and refuses another model's. Without: opens for reading what
/// answers. Errors: kUnavailable; kUnsupported where this program was built without libpq.
Result<std::unique_ptr<RemoteStore>> OpenRemote(const std::string& address, const StoreIdentity* identity);

/// The address of each shard by itself. Errors: a malformed address.
Result<std::vector<std::string>> SplitRemoteAddress(const std::string& address);

/// An address without its password, for messages.
std::string WithoutPassword(const std::string& address);

}  // namespace diptych

#endif  // DIPTYCH_INDEX_REMOTE_H_
