// SQLite with Status: the one place that sees its header.
#ifndef DIPTYCH_INDEX_SQLITE_H_
#define DIPTYCH_INDEX_SQLITE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace diptych {

class SqlStatement;

/// A connection. One thread at a time.
class SqlDatabase {
 public:
  enum class Access : uint8_t { kRead, kWrite, kCreate };
  /// `vfs`: SQLite's file layer by name, empty for its default.
  static Result<SqlDatabase> Open(const std::string& path, Access access, const std::string& vfs = "");

  /// Statements without results.
  Status Run(const std::string& sql) const;
  Result<SqlStatement> Prepare(std::string_view sql) const;
  /// Reports the last error as a Status.
  Status Failure() const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

/// A prepared statement. Parameters count from 1, columns from 0.
class SqlStatement {
 public:
  void Bind(int parameter, int64_t value);
  void Bind(int parameter, double value);
  void Bind(int parameter, std::string_view text);
  void BindBlob(int parameter, std::string_view bytes);

  /// True for a row, false at the end.
  Result<bool> Step();
  /// Runs to the end and gets ready for other parameters.
  Status Run();
  void Reset();

  int64_t Int(int column) const;
  double Double(int column) const;
  std::string Text(int column) const;
  std::string Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class SqlDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  SqlStatement(const SqlDatabase* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  const SqlDatabase* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// BEGIN IMMEDIATE ... COMMIT, or ROLLBACK where Commit() was not reached.
class SqlTransaction {
 public:
  static Result<SqlTransaction> Begin(const SqlDatabase& database);
  SqlTransaction(SqlTransaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  SqlTransaction& operator=(SqlTransaction&&) = delete;
  ~SqlTransaction();
  Status Commit();

 private:
  explicit SqlTransaction(const SqlDatabase* database) : database_(database) {}
  const SqlDatabase* database_;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_SQLITE_H_
