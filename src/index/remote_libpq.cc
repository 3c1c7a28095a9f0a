#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "core/half.h"
#include "core/tensor.h"
#include "index/postgres.h"
#include "index/remote.h"
#include "kernels/convert.h"
#include "kernels/scan.h"

namespace diptych {
namespace {

// Vectors of a shard. Words lie apart from all pictures, and graphs of pictures lead them astray: the widest search
// that pgvector has finds 0.99 of their neighbours, in two thirds of the time of a scan of 100,000 (docs/store.md).
constexpr int64_t kWorthIndexing = 200'000;
constexpr const char* kIndexSearch = "SET LOCAL hnsw.ef_search = 1000";
constexpr int64_t kMoreThanAsked = 32;     // of a shard: the server's scores are rounded, ours decide
constexpr const char* kColumns =
    "path, content, bytes, modified, width, height, phash, sharpness, caption, metadata, indexed";
constexpr const char* kTable =
    "(path text PRIMARY KEY, content bytea NOT NULL, bytes int8 NOT NULL, modified int8 NOT NULL, width int4 NOT NULL, "
    "height int4 NOT NULL, phash int8 NOT NULL, sharpness float8 NOT NULL, caption text NOT NULL, "
    "metadata text NOT NULL, indexed int8 NOT NULL, embedding halfvec(";

std::string HexOf(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[c & 15];
  }
  return hex;
}

std::string BytesOf(const Hash128& hash) {
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), &hash.low, 8);
  std::memcpy(bytes.data() + 8, &hash.high, 8);
  return bytes;
}

// bytea as text: \x and hexadecimal digits.
Hash128 HashOf(std::string_view text) {
  std::string bytes(16, '\0');
  if (text.size() != 34) return {};
  for (size_t i = 0; i < 16; ++i) {
    uint8_t byte = 0;
    std::from_chars(text.data() + 2 + 2 * i, text.data() + 4 + 2 * i, byte, 16);
    bytes[i] = static_cast<char>(byte);
  }
  Hash128 hash;
  std::memcpy(&hash.low, bytes.data(), 8);
  std::memcpy(&hash.high, bytes.data() + 8, 8);
  return hash;
}

StoredPicture PictureOf(const PgRows& rows, int row) {
  return {.path = std::string(rows.Text(row, 0)),
          .bytes = rows.Int(row, 2),
          .modified = rows.Int(row, 3),
          .content = HashOf(rows.Text(row, 1)),
          .width = static_cast<int>(rows.Int(row, 4)),
          .height = static_cast<int>(rows.Int(row, 5)),
          .phash = static_cast<uint64_t>(rows.Int(row, 6)),
          .sharpness = rows.Double(row, 7),
          .caption = std::string(rows.Text(row, 8)),
          .metadata = std::string(rows.Text(row, 9)),
          .indexed = rows.Int(row, 10)};
}

// "[0.1,0.2]", as pgvector writes and reads vectors.
std::vector<float> VectorOf(std::string_view text) {
  std::vector<float> values;
  for (const char* at = text.data(); at < text.data() + text.size(); ++at) {
    float value = 0;
    const auto [end, error] = std::from_chars(at, text.data() + text.size(), value);
    if (error != std::errc()) continue;
    values.push_back(value);
    at = end;
  }
  return values;
}

std::string TextOf(std::span<const float> vector) {
  std::string text = "[";
  for (const float value : vector) {
    char digits[32];
    if (text.size() > 1) text += ',';
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  return text + "]";
}

struct Change {
  enum class Kind : uint8_t { kAdd, kRemove, kRename } kind;
  std::string from;
  StoredPicture picture;
  std::vector<uint16_t> embedding;
};

class Shard {
 public:
  explicit Shard(PgConnection connection) : db_(std::move(connection)) {}

  const std::string& name() const { return db_.name(); }

  Status MakeTables(const StoreIdentity& identity) {
    return Alone([&]() -> Status {
      RETURN_IF_ERROR(db_.Run("CREATE EXTENSION IF NOT EXISTS vector"));
      RETURN_IF_ERROR(db_.Run("CREATE TABLE IF NOT EXISTS diptych_facts(key text PRIMARY KEY, value text NOT NULL)"));
      RETURN_IF_ERROR(db_.Run(std::string("CREATE TABLE IF NOT EXISTS diptych_pictures") + kTable +
                              std::to_string(identity.e) + ") NOT NULL)"));
      const std::string facts[] = {identity.model, identity.fingerprint, std::to_string(identity.e)};
      return db_.Run(
          "INSERT INTO diptych_facts VALUES('model', $1), ('fingerprint', $2), ('e', $3) ON CONFLICT DO NOTHING",
          facts);
    });
  }

  Result<StoreIdentity> Identity() {
    ASSIGN_OR_RETURN(const PgRows rows, db_.Query("SELECT key, value FROM diptych_facts"));
    StoreIdentity identity;
    for (int i = 0; i < rows.count(); ++i) {
      if (rows.Text(i, 0) == "model") identity.model = rows.Text(i, 1);
      if (rows.Text(i, 0) == "fingerprint") identity.fingerprint = rows.Text(i, 1);
      if (rows.Text(i, 0) == "e") identity.e = rows.Int(i, 1);
    }
    if (identity.e < 1) return Corrupt(name(), "the store does not say whose embeddings it holds");
    return identity;
  }

  Result<int64_t> Count() {
    ASSIGN_OR_RETURN(const PgRows rows, db_.Query("SELECT count(*) FROM diptych_pictures"));
    return rows.Int(0, 0);
  }

  Status ForEach(const std::function<Status(const StoredPicture&)>& visit) {
    std::string after;
    while (true) {
      const std::string parameters[] = {after};
      ASSIGN_OR_RETURN(const PgRows rows,
                       db_.Query(std::string("SELECT ") + kColumns +
                                     " FROM diptych_pictures WHERE path > $1 ORDER BY path LIMIT 10000",
                                 parameters));
      for (int i = 0; i < rows.count(); ++i) RETURN_IF_ERROR(visit(PictureOf(rows, i)));
      if (rows.count() == 0) return Status::Ok();
      after = rows.Text(rows.count() - 1, 0);
    }
  }

  // All removals and renamings, and those additions that are this shard's, in one transaction.
  Status Apply(const std::vector<std::string>& removed, const std::vector<const Change*>& renamed,
               const std::vector<const Change*>& added) {
    RETURN_IF_ERROR(db_.Run("BEGIN"));
    const Status done = ApplyWithin(removed, renamed, added);
    if (done.ok()) return db_.Run("COMMIT");
    const Status undone = db_.Run("ROLLBACK");  // without a connection the server does it by itself
    (void)undone;
    return done;
  }

  Result<std::vector<RemoteHit>> Search(std::span<const float> query, int64_t k, const Filter* filter, bool exact) {
    std::vector<std::string> parameters = {TextOf(query)};
    std::string where;
    if (filter != nullptr) {
      where = " WHERE " + filter->ToSql(Filter::Dialect::kPostgres, 2);
      for (const Filter::Value& value : filter->values()) {
        const double* number = std::get_if<double>(&value);
        char digits[32];
        parameters.push_back(number == nullptr
                                 ? std::get<std::string>(value)
                                 : std::string(digits, std::to_chars(digits, digits + sizeof digits, *number).ptr));
      }
    }
    RETURN_IF_ERROR(db_.Run("BEGIN READ ONLY"));
    // Filters make an index return too few rows, unless it goes on until there are enough.
    RETURN_IF_ERROR(
        db_.Run(exact ? "SET LOCAL enable_indexscan = off" : "SET LOCAL hnsw.iterative_scan = strict_order"));
    if (!exact) RETURN_IF_ERROR(db_.Run(kIndexSearch));
    RETURN_IF_ERROR(db_.Run("SET LOCAL statement_timeout = '30s'"));
    Result<PgRows> rows =
        db_.Query(std::string("SELECT ") + kColumns + ", embedding FROM diptych_pictures" + where +
                      " ORDER BY embedding <#> $1::halfvec LIMIT " + std::to_string(k + kMoreThanAsked),
                  parameters);
    const Status ended = db_.Run("ROLLBACK");
    RETURN_IF_ERROR(rows.status());
    RETURN_IF_ERROR(ended);
    std::vector<RemoteHit> hits;
    for (int i = 0; i < rows->count(); ++i) {
      RemoteHit hit{.picture = PictureOf(*rows, i), .embedding = VectorOf(rows->Text(i, 11))};
      if (hit.embedding.size() != query.size()) return Corrupt(name(), "holds a vector of another width");
      std::vector<uint16_t> halves(query.size());
      kernels::FromFloat(hit.embedding.data(), static_cast<int64_t>(query.size()), DType::kF16, halves.data());
      const auto e = static_cast<int64_t>(query.size());
      kernels::ScoreHalves(halves.data(), 1, e, e, query.data(), &hit.score);
      hits.push_back(std::move(hit));
    }
    return hits;
  }

  Status BuildIndex() {
    ASSIGN_OR_RETURN(const int64_t count, Count());
    if (count < kWorthIndexing) return Status::Ok();
    RETURN_IF_ERROR(db_.Run("SET maintenance_work_mem = '512MB'"));
    return Alone([this] {
      return db_.Run(
          "CREATE INDEX IF NOT EXISTS diptych_hnsw ON diptych_pictures USING hnsw (embedding halfvec_ip_ops)");
    });
  }

 private:
  // Two parts of a job may come at once.
  Status Alone(const std::function<Status()>& work) {
    RETURN_IF_ERROR(db_.Run("SELECT pg_advisory_lock(6841)"));
    const Status done = work();
    const Status unlocked = db_.Run("SELECT pg_advisory_unlock(6841)");
    return done.ok() ? unlocked : done;
  }

  Status ApplyWithin(const std::vector<std::string>& removed, const std::vector<const Change*>& renamed,
                     const std::vector<const Change*>& added) {
    if (!removed.empty()) {
      const std::string parameters[] = {PgArray(removed)};
      RETURN_IF_ERROR(db_.Run("DELETE FROM diptych_pictures WHERE path = ANY($1::text[])", parameters));
    }
    for (const Change* change : renamed) {
      const std::string parameters[] = {change->from, change->picture.path, std::to_string(change->picture.bytes),
                                        std::to_string(change->picture.modified)};
      RETURN_IF_ERROR(
          db_.Run("UPDATE diptych_pictures SET path = $2, bytes = $3, modified = $4 WHERE path = $1", parameters));
    }
    if (added.empty()) return Status::Ok();
    PgCopyBuffer buffer;
    for (const Change* change : added) {
      const StoredPicture& picture = change->picture;
      buffer.Row(12);
      buffer.Text(picture.path);
      buffer.Bytes(BytesOf(picture.content));
      buffer.Int64(picture.bytes);
      buffer.Int64(picture.modified);
      buffer.Int32(picture.width);
      buffer.Int32(picture.height);
      buffer.Int64(static_cast<int64_t>(picture.phash));
      buffer.Double(picture.sharpness);
      buffer.Text(picture.caption);
      buffer.Text(picture.metadata);
      buffer.Int64(picture.indexed);
      buffer.Halves(change->embedding);
    }
    const std::string& rows = buffer.Finish();
    const std::string columns = std::string("(") + kColumns + ", embedding)";
    // New rows go straight in. Where some were there already (a commit whose answer was lost), they pass through a
    // table of their own.
    RETURN_IF_ERROR(db_.Run("SAVEPOINT direct"));
    if (db_.Copy("COPY diptych_pictures" + columns + " FROM STDIN (FORMAT binary)", rows).ok()) return Status::Ok();
    RETURN_IF_ERROR(db_.Run("ROLLBACK TO SAVEPOINT direct"));
    RETURN_IF_ERROR(db_.Run("CREATE TEMP TABLE diptych_new (LIKE diptych_pictures) ON COMMIT DROP"));
    RETURN_IF_ERROR(db_.Copy("COPY diptych_new" + columns + " FROM STDIN (FORMAT binary)", rows));
    RETURN_IF_ERROR(
        db_.Run("DELETE FROM diptych_pictures USING diptych_new WHERE diptych_pictures.path = diptych_new.path"));
    return db_.Run("INSERT INTO diptych_pictures SELECT DISTINCT ON (path) * FROM diptych_new");
  }

  PgConnection db_;
};

class PostgresStore : public RemoteStore {
 public:
  static Result<std::unique_ptr<RemoteStore>> Open(const std::string& address, const StoreIdentity* identity) {
    auto store = std::make_unique<PostgresStore>();
    ASSIGN_OR_RETURN(store->addresses_, SplitRemoteAddress(address));
    for (const std::string& one : store->addresses_) {
      const Status opened = store->OpenShard(one, identity);
      // Whoever writes needs every shard, whoever reads those that are there.
      if (opened.ok()) continue;
      if (identity != nullptr || opened.code() != StatusCode::kUnavailable) return opened;
      store->shards_.push_back(nullptr);
      store->missing_.push_back(opened);
    }
    if (store->missing_.size() == store->shards_.size()) return store->missing_[0];
    RETURN_IF_ERROR(store->CountPictures());
    return std::unique_ptr<RemoteStore>(std::move(store));
  }

  const StoreIdentity& identity() const override { return identity_; }
  int64_t count() const override { return count_; }

  Status ForEach(const std::function<Status(const StoredPicture&)>& visit) const override {
    for (const auto& shard : shards_) {
      if (shard != nullptr) RETURN_IF_ERROR(shard->ForEach(visit));
    }
    return Status::Ok();
  }

  void Add(StoredPicture picture, std::span<const float> embedding) override {
    std::vector<uint16_t> halves(embedding.size());
    kernels::FromFloat(embedding.data(), static_cast<int64_t>(embedding.size()), DType::kF16, halves.data());
    changes_.push_back({Change::Kind::kAdd, "", std::move(picture), std::move(halves)});
  }
  void Remove(const std::string& path) override { changes_.push_back({Change::Kind::kRemove, path, {}, {}}); }
  void Rename(const std::string& from, const StoredPicture& to) override {
    changes_.push_back({Change::Kind::kRename, from, to, {}});
  }
  int64_t pending() const override { return static_cast<int64_t>(changes_.size()); }

  Status Commit() override {
    RETURN_IF_ERROR(broken_);
    if (changes_.empty()) return Status::Ok();
    std::vector<std::string> removed;
    std::vector<const Change*> renamed;
    std::vector<std::vector<const Change*>> added(shards_.size());
    for (const Change& change : changes_) {
      if (change.kind == Change::Kind::kRemove) removed.push_back(change.from);
      if (change.kind == Change::Kind::kRename) renamed.push_back(&change);
      if (change.kind == Change::Kind::kAdd) added[ShardOf(change.picture.content)].push_back(&change);
    }
    broken_ = OnEveryShard([&](size_t i) { return shards_[i]->Apply(removed, renamed, added[i]); });
    RETURN_IF_ERROR(broken_);
    changes_.clear();
    return CountPictures();
  }

  Result<RemoteAnswer> Search(std::span<const float> query, int64_t k, const Filter* filter, bool exact) override {
    RemoteAnswer answer;
    answer.missing = missing_;
    std::mutex mutex;
    const Status ignored = OnEveryShard([&](size_t i) -> Status {
      if (shards_[i] == nullptr) return Status::Ok();
      Result<std::vector<RemoteHit>> hits = shards_[i]->Search(query, k, filter, exact);
      const std::lock_guard lock(mutex);
      if (!hits.ok()) return answer.missing.push_back(hits.status()), Status::Ok();
      std::move(hits->begin(), hits->end(), std::back_inserter(answer.hits));
      return Status::Ok();
    });
    (void)ignored;
    if (answer.missing.size() == shards_.size()) return answer.missing[0];
    std::sort(answer.hits.begin(), answer.hits.end(), [](const RemoteHit& a, const RemoteHit& b) {
      return a.score != b.score ? a.score > b.score : a.picture.path < b.picture.path;
    });
    if (static_cast<int64_t>(answer.hits.size()) > k) answer.hits.resize(static_cast<size_t>(k));
    return answer;
  }

  Status BuildIndex() override {
    return OnEveryShard([this](size_t i) { return shards_[i]->BuildIndex(); });
  }

 private:
  Status OpenShard(const std::string& address, const StoreIdentity* identity) {
    ASSIGN_OR_RETURN(PgConnection connection, PgConnection::Open(address));
    auto shard = std::make_unique<Shard>(std::move(connection));
    if (identity != nullptr) RETURN_IF_ERROR(shard->MakeTables(*identity));
    ASSIGN_OR_RETURN(const StoreIdentity found, shard->Identity());
    if (identity != nullptr) RETURN_IF_ERROR(CheckSameModel(shard->name(), found, *identity));
    if (!identity_.fingerprint.empty()) RETURN_IF_ERROR(CheckSameModel(shard->name(), found, identity_));
    identity_ = found;
    shards_.push_back(std::move(shard));
    return Status::Ok();
  }

  Status CountPictures() {
    count_ = 0;
    for (const auto& shard : shards_) {
      if (shard == nullptr) continue;
      ASSIGN_OR_RETURN(const int64_t count, shard->Count());
      count_ += count;
    }
    return Status::Ok();
  }

  // Rendezvous: the name is the shard's address without user and password, so that these can change.
  size_t ShardOf(const Hash128& content) const {
    size_t best = 0;
    uint64_t highest = 0;
    for (size_t i = 0; i < addresses_.size(); ++i) {
      const std::string& address = addresses_[i];
      const size_t at = address.rfind('@');
      const std::string key = HexOf(BytesOf(content)) + address.substr(at == std::string::npos ? 13 : at + 1);
      const uint64_t hash = HashBytes({reinterpret_cast<const uint8_t*>(key.data()), key.size()}).low;
      if (i == 0 || hash > highest) best = i, highest = hash;
    }
    return best;
  }

  // At once; the first error in the order of the shards.
  Status OnEveryShard(const std::function<Status(size_t)>& work) {
    std::vector<Status> statuses(shards_.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < shards_.size(); ++i) threads.emplace_back([&, i] { statuses[i] = work(i); });
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses) RETURN_IF_ERROR(status);
    return Status::Ok();
  }

  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Shard>> shards_;  // null: it did not answer
  std::vector<Status> missing_;
  StoreIdentity identity_;
  int64_t count_ = 0;
  std::vector<Change> changes_;
  Status broken_;
};

}  // namespace

Result<std::unique_ptr<RemoteStore>> OpenRemote(const std::string& address, const StoreIdentity* identity) {
  return PostgresStore::Open(address, identity);
}

}  // namespace diptych
