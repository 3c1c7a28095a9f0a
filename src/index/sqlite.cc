#include "index/sqlite.h"

#include <sqlite3.h>

namespace diptych {
namespace {

constexpr int kBusyMilliseconds = 10000;
constexpr const char* kRestore = "restore it, or remove the store and index again";

}  // namespace

void SqlDatabase::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

void SqlStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<SqlDatabase> SqlDatabase::Open(const std::string& path, Access access, const std::string& vfs) {
  const int flags = access == Access::kRead    ? SQLITE_OPEN_READONLY
                    : access == Access::kWrite ? SQLITE_OPEN_READWRITE
                                               : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  SqlDatabase database;
  database.path_ = path;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, vfs.empty() ? nullptr : vfs.c_str());
  database.db_.reset(db);
  if (code != SQLITE_OK) return database.Failure();
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyMilliseconds);
  return database;
}

Status SqlDatabase::Failure() const {
  const int code = sqlite3_errcode(db_.get());
  const std::string what = sqlite3_errmsg(db_.get());
  switch (code & 0xff) {
    case SQLITE_CANTOPEN: return IoError(path_, what);
    case SQLITE_CORRUPT: return Corrupt(path_, what, kRestore);
    case SQLITE_NOTADB: return Corrupt(path_, "is not a database", kRestore);
    case SQLITE_FULL: return IoError(path_, what, "free some space: what was committed before is safe");
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Unavailable(path_, what, "another process is writing to this store");
    default: return IoError(path_, what);
  }
}

Status SqlDatabase::Run(const std::string& sql) const {
  return sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK ? Status::Ok() : Failure();
}

Result<SqlStatement> SqlDatabase::Prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return Failure();
  return SqlStatement(this, statement);
}

// Binding fails only for a parameter that does not exist, a bug that every test would show, or for want of memory,
// which the following step reports.
void SqlStatement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, value);
}
void SqlStatement::Bind(int parameter, double value) {
  sqlite3_bind_double(statement_.get(), parameter, value);
}
void SqlStatement::Bind(int parameter, std::string_view text) {
  sqlite3_bind_text(statement_.get(), parameter, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}
void SqlStatement::BindBlob(int parameter, std::string_view bytes) {
  sqlite3_bind_blob(statement_.get(), parameter, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
}

Result<bool> SqlStatement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->Failure();
}

Status SqlStatement::Run() {
  while (true) {
    const Result<bool> more = Step();
    if (more.ok() && *more) continue;
    Reset();
    return more.status();
  }
}

void SqlStatement::Reset() {
  sqlite3_reset(statement_.get());
}

int64_t SqlStatement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}
double SqlStatement::Double(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}
std::string SqlStatement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text == nullptr ? "" : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}
std::string SqlStatement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr ? "" : std::string(bytes, size);
}
bool SqlStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Result<SqlTransaction> SqlTransaction::Begin(const SqlDatabase& database) {
  RETURN_IF_ERROR(database.Run("BEGIN IMMEDIATE"));
  return SqlTransaction(&database);
}

SqlTransaction::~SqlTransaction() {
  if (database_ == nullptr) return;
  // After some failures SQLite has rolled back by itself; then this one fails, and nothing is left to undo.
  const Status ignored = database_->Run("ROLLBACK");
  (void)ignored;
}

Status SqlTransaction::Commit() {
  RETURN_IF_ERROR(database_->Run("COMMIT"));
  database_ = nullptr;
  return Status::Ok();
}

}  // namespace diptych
