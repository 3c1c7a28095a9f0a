// What every store of embeddings is to whoever fills it: the one in a folder (index/store.h), those on database servers
// (index/remote.h).
#ifndef DIPTYCH_INDEX_PICTURE_STORE_H_
#define DIPTYCH_INDEX_PICTURE_STORE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/content_hash.h"
#include "core/status.h"

namespace diptych {

/// Whose embeddings these are. Those of models whose fingerprints differ must not be mixed.
struct StoreIdentity {
  std::string model;        // a name that loads it
  std::string fingerprint;  // Clip::fingerprint()
  int64_t e = 0;
};

/// kInvalidArgument, with the reason, unless embeddings of `asked` may be compared with those of `stored`.
Status CheckSameModel(const std::string& store, const StoreIdentity& stored, const StoreIdentity& asked);

/// What is known of a picture.
struct StoredPicture {
  int64_t slot = -1;  // of its vector, for as long as the picture does not change and gc() does not run
  std::string path;   // absolute; "x.tar/NAME" for a member of an archive
  int64_t bytes = 0;
  int64_t modified = 0;  // nanoseconds since 1970
  Hash128 content;       // of the encoded bytes
  int width = 0, height = 0;
  uint64_t phash = 0;                   // image/fingerprint.h; 0 where the picture is too flat to have one
  std::array<uint64_t, 4> detail = {};  // likewise; 0 also where the store is older than it, or on servers
  double sharpness = 0;                 // likewise
  std::string caption;
  std::string metadata;  // a JSON object, or empty
  int64_t indexed = 0;   // seconds since 1970
};

/// Changes are kept in memory until Commit(); after an error of Commit() the store must be opened anew.
class PictureStore {
 public:
  virtual ~PictureStore() = default;

  virtual const StoreIdentity& identity() const = 0;
  virtual int64_t count() const = 0;  // pictures, as of the last commit
  /// Every picture. An error of `visit` ends it.
  virtual Status ForEach(const std::function<Status(const StoredPicture&)>& visit) const = 0;
  /// The paths of pictures whose vectors are not what was written: to be embedded again. Servers see to theirs.
  virtual Result<std::vector<std::string>> DamagedPictures() const { return std::vector<std::string>(); }

  /// `embedding` (E), normalised. A picture of the same path is replaced.
  virtual void Add(StoredPicture picture, std::span<const float> embedding) = 0;
  virtual void Remove(const std::string& path) = 0;
  /// Another path, size and time for the same bytes.
  virtual void Rename(const std::string& from, const StoredPicture& to) = 0;
  /// How many changes wait for Commit().
  virtual int64_t pending() const = 0;
  virtual Status Commit() = 0;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_PICTURE_STORE_H_
