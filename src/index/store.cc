#include "index/store.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/check.h"
#include "core/half.h"
#include "core/read_ahead.h"
#include "core/tensor.h"
#include "kernels/convert.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kApplicationId = 0x44505453;  // "DPTS", so that `file` and we know what it is
constexpr int64_t kVersion = 2;  // 1 had no detail hashes
constexpr int64_t kMaxReadAhead = 256 << 20;
constexpr const char* kTables = R"sql(
  CREATE TABLE facts(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE pictures(
    slot INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, modified INTEGER NOT NULL,
    content BLOB NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, phash INTEGER NOT NULL,
    sharpness REAL NOT NULL, caption TEXT NOT NULL, metadata TEXT NOT NULL, indexed INTEGER NOT NULL,
    checksum INTEGER NOT NULL, detail BLOB NOT NULL);
)sql";
constexpr const char* kUpgrade = "ALTER TABLE pictures ADD COLUMN detail BLOB NOT NULL DEFAULT x''";
constexpr const char* kColumns =
    "slot, path, bytes, modified, content, width, height, phash, sharpness, caption, metadata, indexed";

std::string ColumnsOf(int64_t version) {
  return std::string(kColumns) + (version == 1 ? ", x''" : ", detail");
}

std::string BlobOf(const Hash128& hash) {
  std::string blob(16, '\0');
  std::memcpy(blob.data(), &hash.low, 8);
  std::memcpy(blob.data() + 8, &hash.high, 8);
  return blob;
}

StoredPicture ReadPicture(const SqlStatement& row) {
  StoredPicture picture{.slot = row.Int(0), .path = row.Text(1), .bytes = row.Int(2), .modified = row.Int(3)};
  const std::string content = row.Blob(4);
  if (content.size() == 16) {
    std::memcpy(&picture.content.low, content.data(), 8);
    std::memcpy(&picture.content.high, content.data() + 8, 8);
  }
  picture.width = static_cast<int>(row.Int(5));
  picture.height = static_cast<int>(row.Int(6));
  picture.phash = static_cast<uint64_t>(row.Int(7));
  picture.sharpness = row.Double(8);
  picture.caption = row.Text(9);
  picture.metadata = row.Text(10);
  picture.indexed = row.Int(11);
  const std::string detail = row.Blob(12);
  if (detail.size() == sizeof picture.detail) std::memcpy(picture.detail.data(), detail.data(), detail.size());
  return picture;
}

// All columns but the slot, which is parameter 1, and the checksum, which is parameter 14.
void BindPicture(const StoredPicture& picture, SqlStatement& statement) {
  statement.Bind(2, std::string_view(picture.path));
  statement.Bind(3, picture.bytes);
  statement.Bind(4, picture.modified);
  statement.BindBlob(5, BlobOf(picture.content));
  statement.Bind(6, int64_t{picture.width});
  statement.Bind(7, int64_t{picture.height});
  statement.Bind(8, static_cast<int64_t>(picture.phash));
  statement.Bind(9, picture.sharpness);
  statement.Bind(10, std::string_view(picture.caption));
  statement.Bind(11, std::string_view(picture.metadata));
  statement.Bind(12, picture.indexed);
  statement.BindBlob(13, {reinterpret_cast<const char*>(picture.detail.data()), sizeof picture.detail});
}

int64_t ToInt(const std::string& text) {
  int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Store::Store(std::string folder, const StoreOptions& options)
    : folder_(std::move(folder)),
      options_(options),
      storage_(options.storage != nullptr ? *options.storage : SystemStorage()) {}

Store::~Store() = default;

std::string Store::VectorPath() const {
  return folder_ + "/vectors-" + std::to_string(generation_) + ".bin";
}

std::string Store::SketchPath() const {
  return folder_ + "/sketch-" + std::to_string(generation_) + ".bin";
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& folder, const StoreOptions& options) {
  std::error_code ignored;
  if (!fs::exists(folder + "/store.db", ignored)) {
    return NotFound(folder, "there is no store here", "make one: diptych index DIR --store " + folder);
  }
  // A writer that collects garbage may remove the vectors between our look at the database and at them. Then the next
  // look finds their successors.
  constexpr int kTries = 3;
  Status status;
  for (int i = 0; i < kTries; ++i) {
    std::unique_ptr<Store> store(new Store(folder, options));
    status = store->Load(/*create=*/false, nullptr);
    if (status.ok()) return store;
    if (status.code() != StatusCode::kNotFound) break;
  }
  return status;
}

Result<std::unique_ptr<Store>> Store::OpenForWriting(const std::string& folder, const StoreIdentity& identity,
                                                     const StoreOptions& options) {
  CHECK_GE(identity.e, 1);
  std::unique_ptr<Store> store(new Store(folder, options));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError(folder, "cannot be made: " + error.message());
  ASSIGN_OR_RETURN(store->lock_, WriterLock::Take(folder + "/lock"));
  RETURN_IF_ERROR(store->Load(/*create=*/true, &identity));
  RETURN_IF_ERROR(store->OpenWriter());
  return store;
}

Status Store::Load(bool create, const StoreIdentity* identity) {
  const auto access = create ? SqlDatabase::Access::kCreate : SqlDatabase::Access::kRead;
  ASSIGN_OR_RETURN(database_, SqlDatabase::Open(folder_ + "/store.db", access, options_.vfs));
  if (create) {
    // Readers go on reading while a writer commits, and a commit is on the disk when it returns.
    RETURN_IF_ERROR(database_.Run("PRAGMA journal_mode = WAL"));
    RETURN_IF_ERROR(database_.Run("PRAGMA synchronous = FULL"));
  }
  ASSIGN_OR_RETURN(SqlStatement version, database_.Prepare("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const bool any, version.Step());
  const int64_t found = any ? version.Int(0) : 0;
  version.Reset();
  if (found == 0 && create) RETURN_IF_ERROR(CreateTables(*identity));
  if (found == 0 && !create) {
    return NotFound(folder_, "the store is empty: its first writer has not committed anything", "index into it");
  }
  version_ = found == 0 ? kVersion : found;
  if (found == 1 && create) RETURN_IF_ERROR(Upgrade());
  if (found > kVersion) {
    return Unsupported(folder_, "the store has version " + std::to_string(found) + " of the format",
                       "this program knows version " + std::to_string(kVersion));
  }
  // One snapshot for everything that a reader sees: the transaction stays open until the store is closed.
  if (!create) RETURN_IF_ERROR(database_.Run("BEGIN"));
  RETURN_IF_ERROR(ReadFacts());
  if (identity != nullptr) RETURN_IF_ERROR(CheckModel(*identity));
  if (create) return Status::Ok();  // OpenWriter() does the rest
  ASSIGN_OR_RETURN(vectors_, VectorMapping::Open(VectorPath(), identity_.e, committed_));
  return Status::Ok();
}

Status Store::CreateTables(const StoreIdentity& identity) {
  ASSIGN_OR_RETURN(SqlTransaction transaction, SqlTransaction::Begin(database_));
  RETURN_IF_ERROR(database_.Run(kTables));
  RETURN_IF_ERROR(SetFact("model", identity.model));
  RETURN_IF_ERROR(SetFact("fingerprint", identity.fingerprint));
  RETURN_IF_ERROR(SetFact("e", std::to_string(identity.e)));
  RETURN_IF_ERROR(SetFact("generation", "0"));
  RETURN_IF_ERROR(SetFact("rows", "0"));
  RETURN_IF_ERROR(database_.Run("PRAGMA application_id = " + std::to_string(kApplicationId)));
  RETURN_IF_ERROR(database_.Run("PRAGMA user_version = " + std::to_string(kVersion)));
  return transaction.Commit();
}

Status Store::Upgrade() {
  ASSIGN_OR_RETURN(SqlTransaction transaction, SqlTransaction::Begin(database_));
  RETURN_IF_ERROR(database_.Run(kUpgrade));
  RETURN_IF_ERROR(database_.Run("PRAGMA user_version = " + std::to_string(kVersion)));
  version_ = kVersion;
  return transaction.Commit();
}

Status Store::SetFact(const char* key, const std::string& value) const {
  ASSIGN_OR_RETURN(SqlStatement statement, database_.Prepare("INSERT OR REPLACE INTO facts VALUES(?1, ?2)"));
  statement.Bind(1, std::string_view(key));
  statement.Bind(2, std::string_view(value));
  return statement.Run();
}

Result<std::string> Store::Fact(const char* key) const {
  ASSIGN_OR_RETURN(SqlStatement statement, database_.Prepare("SELECT value FROM facts WHERE key = ?1"));
  statement.Bind(1, std::string_view(key));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return Corrupt(folder_, std::string("the store does not say its ") + key);
  return statement.Text(0);
}

Status Store::ReadFacts() {
  ASSIGN_OR_RETURN(identity_.model, Fact("model"));
  ASSIGN_OR_RETURN(identity_.fingerprint, Fact("fingerprint"));
  ASSIGN_OR_RETURN(const std::string e, Fact("e"));
  ASSIGN_OR_RETURN(const std::string generation, Fact("generation"));
  ASSIGN_OR_RETURN(const std::string rows, Fact("rows"));
  identity_.e = ToInt(e);
  generation_ = ToInt(generation);
  committed_ = ToInt(rows);
  constexpr int64_t kMaxE = 65536, kMaxRows = int64_t{1} << 32;  // slots are 32-bit numbers in the scan
  if (identity_.e < 1 || identity_.e > kMaxE || generation_ < 0 || committed_ < 0 || committed_ >= kMaxRows) {
    return Corrupt(folder_, "the store's sizes make no sense");
  }
  // Counting reads the whole table, from a cold disk page by page; the ends of it do not.
  ASSIGN_OR_RETURN(SqlStatement statement,
                   database_.Prepare("SELECT coalesce((SELECT value FROM facts WHERE key = 'pictures'), "
                                     "(SELECT count(*) FROM pictures)), "
                                     "(SELECT max(slot) FROM pictures), (SELECT min(slot) FROM pictures)"));
  RETURN_IF_ERROR(statement.Step().status());
  count_ = statement.Int(0);
  if (count_ < 0 || count_ > committed_) return Corrupt(folder_, "the store's sizes make no sense");
  if (count_ > 0 && (statement.Int(1) >= committed_ || statement.Int(2) < 0)) {
    return Corrupt(folder_, "a picture's vector lies beyond the committed ones");
  }
  return Status::Ok();
}

Status Store::CheckModel(const StoreIdentity& identity) const {
  return CheckSameModel(folder_, identity_, identity);
}

Status Store::OpenWriter() {
  // Generations that gc() had not finished, or had not yet removed.
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string(), path = folder_ + "/" + name;
    const bool ours = name.starts_with("vectors-") || name.starts_with("sketch-");
    if (ours && path != VectorPath() && path != SketchPath()) RETURN_IF_ERROR(storage_.Remove(path));
  }
  ASSIGN_OR_RETURN(VectorWriter writer, VectorWriter::Open(storage_, VectorPath(), identity_.e, committed_));
  writer_.emplace(std::move(writer));
  ASSIGN_OR_RETURN(vectors_, VectorMapping::Open(VectorPath(), identity_.e, committed_));
  return Status::Ok();
}

Status Store::ForEach(const std::function<Status(const StoredPicture&)>& visit) const {
  ASSIGN_OR_RETURN(SqlStatement rows,
                   database_.Prepare("SELECT " + ColumnsOf(version_) + " FROM pictures ORDER BY slot"));
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return Status::Ok();
    RETURN_IF_ERROR(visit(ReadPicture(rows)));
  }
}

Result<StoredPicture> Store::Get(int64_t slot) const {
  ASSIGN_OR_RETURN(SqlStatement row,
                   database_.Prepare("SELECT " + ColumnsOf(version_) + " FROM pictures WHERE slot = ?1"));
  row.Bind(1, slot);
  ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return NotFound(folder_, "slot " + std::to_string(slot) + " has no picture");
  return ReadPicture(row);
}

Result<SlotSet> Store::Select(const Filter* filter, int64_t* count) const {
  std::string sql = "SELECT slot FROM pictures";
  if (filter != nullptr) sql += " WHERE " + filter->ToSql(Filter::Dialect::kSqlite);
  ASSIGN_OR_RETURN(SqlStatement rows, database_.Prepare(sql));
  for (size_t i = 0; filter != nullptr && i < filter->values().size(); ++i) {
    const Filter::Value& value = filter->values()[i];
    const int parameter = static_cast<int>(i) + 1;
    if (const double* number = std::get_if<double>(&value)) rows.Bind(parameter, *number);
    if (const std::string* text = std::get_if<std::string>(&value)) rows.Bind(parameter, std::string_view(*text));
  }
  SlotSet set(slots());
  *count = 0;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return set;
    set.Add(rows.Int(0));
    ++*count;
  }
}

void Store::Add(StoredPicture picture, std::span<const float> embedding) {
  std::vector<uint16_t> halves(embedding.size());
  kernels::FromFloat(embedding.data(), static_cast<int64_t>(embedding.size()), DType::kF16, halves.data());
  AddHalves(std::move(picture), halves);
}

void Store::AddHalves(StoredPicture picture, std::span<const uint16_t> embedding) {
  CHECK(writer_.has_value());
  CHECK_EQ(static_cast<int64_t>(embedding.size()), identity_.e);
  added_.insert(added_.end(), embedding.begin(), embedding.end());
  changes_.push_back({Change::Kind::kAdd, "", std::move(picture)});
}

void Store::Remove(const std::string& path) {
  changes_.push_back({Change::Kind::kRemove, path, {}});
}

void Store::Rename(const std::string& from, const StoredPicture& to) {
  changes_.push_back({Change::Kind::kRename, from, to});
}

Status Store::Commit() {
  CHECK(writer_.has_value());
  RETURN_IF_ERROR(broken_);
  if (changes_.empty()) return Status::Ok();
  const int64_t first = committed_;
  const auto commit = [&]() -> Status {
    RETURN_IF_ERROR(writer_->Append(added_));
    RETURN_IF_ERROR(writer_->Sync());
    return CommitChanges(first);
  };
  broken_ = commit();
  RETURN_IF_ERROR(broken_);
  changes_.clear();
  added_.clear();
  RETURN_IF_ERROR(ReadFacts());
  ASSIGN_OR_RETURN(vectors_, VectorMapping::Open(VectorPath(), identity_.e, committed_));
  return Status::Ok();
}

Status Store::CommitChanges(int64_t first_slot) {
  ASSIGN_OR_RETURN(SqlTransaction transaction, SqlTransaction::Begin(database_));
  ASSIGN_OR_RETURN(SqlStatement remove, database_.Prepare("DELETE FROM pictures WHERE path = ?1"));
  ASSIGN_OR_RETURN(SqlStatement add,
                   database_.Prepare(std::string("INSERT INTO pictures(") + kColumns +
                                     ", detail, checksum) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)"));
  ASSIGN_OR_RETURN(SqlStatement rename, database_.Prepare("UPDATE OR REPLACE pictures SET path = ?2, bytes = ?3, "
                                                          "modified = ?4 WHERE path = ?1"));
  const size_t row_bytes = static_cast<size_t>(identity_.e) * 2;
  int64_t slot = first_slot;
  for (const Change& change : changes_) {
    const std::string& from = change.kind == Change::Kind::kAdd ? change.picture.path : change.from;
    if (change.kind == Change::Kind::kRename) {
      rename.Bind(1, std::string_view(from));
      rename.Bind(2, std::string_view(change.picture.path));
      rename.Bind(3, change.picture.bytes);
      rename.Bind(4, change.picture.modified);
      RETURN_IF_ERROR(rename.Run());
      continue;
    }
    remove.Bind(1, std::string_view(from));
    RETURN_IF_ERROR(remove.Run());
    if (change.kind == Change::Kind::kRemove) continue;
    const auto* bytes =
        reinterpret_cast<const uint8_t*>(added_.data()) + row_bytes * static_cast<size_t>(slot - first_slot);
    add.Bind(1, slot++);
    BindPicture(change.picture, add);
    add.Bind(14, static_cast<int64_t>(Checksum64({bytes, row_bytes})));
    RETURN_IF_ERROR(add.Run());
  }
  RETURN_IF_ERROR(SetFact("rows", std::to_string(slot)));
  RETURN_IF_ERROR(database_.Run("INSERT OR REPLACE INTO facts SELECT 'pictures', count(*) FROM pictures"));
  return transaction.Commit();
}

void Store::ReadAhead() {
  CHECK(!read_ahead_.joinable());
  read_ahead_ = std::jthread([paths = std::array{SketchPath(), VectorPath()}](const std::stop_token& stop) {
    for (const std::string& path : paths) {
      std::error_code error;
      const uintmax_t size = fs::file_size(path, error);
      if (!error && size <= kMaxReadAhead) ReadAheadOf(path, stop);
    }
  });
}

Result<int64_t> Store::CollectGarbage() {
  RETURN_IF_ERROR(Commit());
  const int64_t dropped = slots() - count();
  if (dropped == 0) return dropped;
  const std::string old_vectors = VectorPath(), old_sketch = SketchPath();
  const VectorMapping from = vectors_;
  ++generation_;
  broken_ = MoveVectors(VectorPath());
  if (!broken_.ok()) {
    --generation_;
    return broken_;
  }
  RETURN_IF_ERROR(ReadFacts());
  RETURN_IF_ERROR(OpenWriter());  // removes the old generation; readers that have it mapped go on reading it
  return dropped;
}

// Copies the vectors in use into the file of the new generation, then numbers the pictures anew, in one transaction.
Status Store::MoveVectors(const std::string& path) {
  RETURN_IF_ERROR(storage_.Remove(path));
  ASSIGN_OR_RETURN(VectorWriter writer, VectorWriter::Open(storage_, path, identity_.e, 0));
  std::vector<int64_t> used;
  RETURN_IF_ERROR(ForEach([&](const StoredPicture& picture) { return used.push_back(picture.slot), Status::Ok(); }));
  constexpr size_t kAtOnce = 1024;
  std::vector<uint16_t> rows;
  for (size_t begin = 0; begin < used.size(); begin += kAtOnce) {
    rows.clear();
    for (size_t i = begin; i < std::min(used.size(), begin + kAtOnce); ++i) {
      const auto row = vectors_.Row(used[i]);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    RETURN_IF_ERROR(writer.Append(rows));
  }
  RETURN_IF_ERROR(writer.Sync());
  ASSIGN_OR_RETURN(SqlTransaction transaction, SqlTransaction::Begin(database_));
  ASSIGN_OR_RETURN(SqlStatement move, database_.Prepare("UPDATE pictures SET slot = ?1 WHERE slot = ?2"));
  for (size_t i = 0; i < used.size(); ++i) {  // in order: a number is free before it is given again
    if (used[i] == static_cast<int64_t>(i)) continue;
    move.Bind(1, static_cast<int64_t>(i));
    move.Bind(2, used[i]);
    RETURN_IF_ERROR(move.Run());
  }
  RETURN_IF_ERROR(SetFact("rows", std::to_string(used.size())));
  RETURN_IF_ERROR(SetFact("generation", std::to_string(generation_)));
  return transaction.Commit();
}

Status Store::Verify(const std::function<void(const Status&)>& found) const {
  ASSIGN_OR_RETURN(SqlStatement check, database_.Prepare("PRAGMA integrity_check"));
  while (true) {
    ASSIGN_OR_RETURN(const bool more, check.Step());
    if (!more) break;
    if (check.Text(0) != "ok") found(Corrupt(folder_ + "/store.db", check.Text(0)));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> damaged, DamagedPictures());
  for (const std::string& path : damaged) found(Corrupt(path, "its vector is damaged", "index its folder again"));
  return Status::Ok();
}

Result<std::vector<std::string>> Store::DamagedPictures() const {
  ASSIGN_OR_RETURN(SqlStatement rows, database_.Prepare("SELECT slot, path, checksum FROM pictures ORDER BY slot"));
  std::vector<std::string> damaged;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return damaged;
    const int64_t slot = rows.Int(0);
    const bool there = slot >= 0 && slot < slots();
    if (!there || vectors_.ChecksumOfRow(slot) != static_cast<uint64_t>(rows.Int(2))) damaged.push_back(rows.Text(1));
  }
}

}  // namespace diptych
