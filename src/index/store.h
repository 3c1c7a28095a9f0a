// A store of embeddings in one folder: what is known of each picture in SQLite, vectors in a mapped file beside it.
//
//   store.db          one row a picture: path, hashes, size, times, caption; the identity of the model
//   vectors-G.bin     embeddings; G is the generation, a new one each time that gc() closes the gaps
//   sketch-G.bin      what the fast scan reads (index/sketch.h), made from the vectors and made anew when it is missing
//   lock              held by the one writer
//
// Commit protocol: vectors are appended and synced, then one transaction of SQLite adds their rows and moves the count
// of committed vectors. A process that dies before that transaction has left nothing but bytes beyond the count, which
// the next writer cuts off; one that dies after it has lost nothing. Readers hold SQLite's snapshot of when they opened
// the store and a mapping of the vectors it counts, both of which a writer leaves alone.
#ifndef DIPTYCH_INDEX_STORE_H_
#define DIPTYCH_INDEX_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/status.h"
#include "index/filter.h"
#include "index/picture_store.h"
#include "index/sqlite.h"
#include "index/storage.h"
#include "index/vector_file.h"

namespace diptych {

struct StoreOptions {
  Storage* storage = nullptr;  // null: the system's
  std::string vfs;             // SQLite's file layer; empty: its default
};

/// One bit a slot.
class SlotSet {
 public:
  explicit SlotSet(int64_t slots = 0) : words_(static_cast<size_t>((slots + 63) / 64)) {}
  void Add(int64_t slot) { words_[static_cast<size_t>(slot >> 6)] |= uint64_t{1} << (slot & 63); }
  bool Has(int64_t slot) const { return (words_[static_cast<size_t>(slot >> 6)] >> (slot & 63) & 1) != 0; }

 private:
  std::vector<uint64_t> words_;
};

/// Not thread safe, but for vectors(). Open it once a thread.
class Store : public PictureStore {
 public:
  /// Reads what was committed last. Errors: kNotFound, kUnsupported for another version, kCorrupt.
  static Result<std::unique_ptr<Store>> Open(const std::string& folder, const StoreOptions& options = {});

  /// Opens or makes a store to write to. Errors: as Open; kUnavailable where somebody else is writing; kInvalidArgument
  /// where it holds another model's embeddings.
  static Result<std::unique_ptr<Store>> OpenForWriting(const std::string& folder, const StoreIdentity& identity,
                                                       const StoreOptions& options = {});
  ~Store() override;

  const std::string& folder() const { return folder_; }
  const StoreIdentity& identity() const override { return identity_; }
  /// kInvalidArgument, with the reason, unless embeddings of this model may be compared with those here.
  Status CheckModel(const StoreIdentity& identity) const;

  int64_t count() const override { return count_; }
  int64_t slots() const { return vectors_.rows(); }  // committed vectors, those of removed pictures too
  const VectorMapping& vectors() const { return vectors_; }
  std::string SketchPath() const;
  /// A search will follow: a thread has the system read the files that are not in memory, if they are small enough
  /// (300,000 vectors of 384 values). Rows that the sketches pick lie all over the file; one by one they take longer.
  void ReadAhead();

  /// By slot.
  Status ForEach(const std::function<Status(const StoredPicture&)>& visit) const override;
  Result<std::vector<std::string>> DamagedPictures() const override;
  Result<StoredPicture> Get(int64_t slot) const;
  /// The slots of the pictures that pass the filter (of all, where there is none).
  Result<SlotSet> Select(const Filter* filter, int64_t* count) const;

  // Writing.

  void Add(StoredPicture picture, std::span<const float> embedding) override;
  /// The same with a vector as it is stored.
  void AddHalves(StoredPicture picture, std::span<const uint16_t> embedding);
  void Remove(const std::string& path) override;
  void Rename(const std::string& from, const StoredPicture& to) override;
  int64_t pending() const override { return static_cast<int64_t>(changes_.size()); }
  Status Commit() override;

  /// Rewrites the vectors without those that no picture has any more. Returns how many were dropped.
  Result<int64_t> CollectGarbage();

  /// Reads everything. `found` is called with each trouble; OK means that the check itself could be made.
  Status Verify(const std::function<void(const Status&)>& found) const;

 private:
  struct Change {
    enum class Kind : uint8_t { kAdd, kRemove, kRename } kind;
    std::string from;
    StoredPicture picture;
  };
  explicit Store(std::string folder, const StoreOptions& options);
  Status Load(bool create, const StoreIdentity* identity);
  Status CreateTables(const StoreIdentity& identity);
  Status Upgrade();
  Status ReadFacts();
  Status OpenWriter();
  Status CommitChanges(int64_t first_slot);
  Status SetFact(const char* key, const std::string& value) const;
  Result<std::string> Fact(const char* key) const;
  Status MoveVectors(const std::string& path);
  std::string VectorPath() const;

  std::string folder_;
  StoreOptions options_;
  Storage& storage_;
  std::unique_ptr<WriterLock> lock_;  // writers only
  SqlDatabase database_;
  StoreIdentity identity_;
  int64_t version_ = 0;  // of the format
  int64_t generation_ = 0, count_ = 0, committed_ = 0;
  VectorMapping vectors_;
  std::optional<VectorWriter> writer_;
  std::vector<Change> changes_;
  std::vector<uint16_t> added_;  // vectors of the kAdd changes
  Status broken_;                // why nothing can be committed any more
  std::jthread read_ahead_;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_STORE_H_
