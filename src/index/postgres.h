// libpq with Status. Private to remote_libpq.cc and its tests.
#ifndef DIPTYCH_INDEX_POSTGRES_H_
#define DIPTYCH_INDEX_POSTGRES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

struct pg_conn;
struct pg_result;

namespace diptych {

/// Rows of a query, as texts.
class PgRows {
 public:
  int count() const;
  std::string_view Text(int row, int column) const;
  int64_t Int(int row, int column) const;
  double Double(int row, int column) const;

 private:
  friend class PgConnection;
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

/// A connection to one server. One thread at a time.
class PgConnection {
 public:
  /// Waits five seconds at most. Errors: kUnavailable.
  static Result<PgConnection> Open(const std::string& address);

  /// Parameters $1, $2, ... as texts.
  Result<PgRows> Query(const std::string& sql, std::span<const std::string> parameters = {});
  Status Run(const std::string& sql, std::span<const std::string> parameters = {});
  /// COPY ... FROM STDIN (FORMAT binary).
  Status Copy(const std::string& sql, std::string_view bytes);
  const std::string& name() const { return name_; }  // the address without its password

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  Status Failure(const pg_result* result) const;
  std::string name_;
  std::unique_ptr<pg_conn, Finish> connection_;
};

/// A text array's literal.
std::string PgArray(std::span<const std::string> texts);

/// Rows in COPY's binary format.
class PgCopyBuffer {
 public:
  PgCopyBuffer();
  void Row(int fields);
  void Text(std::string_view text);
  void Bytes(std::string_view bytes) { Text(bytes); }
  void Int32(int32_t value);
  void Int64(int64_t value);
  void Double(double value);
  void Halves(std::span<const uint16_t> vector);  // pgvector's halfvec
  /// With the trailer.
  const std::string& Finish();

 private:
  template <class T>
  void Big(T value);
  std::string bytes_;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_POSTGRES_H_
