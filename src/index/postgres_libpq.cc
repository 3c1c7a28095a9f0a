#include <libpq-fe.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "index/postgres.h"
#include "index/remote.h"

namespace diptych {
namespace {

std::string OneLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

void PgRows::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

int PgRows::count() const {
  return PQntuples(result_.get());
}

std::string_view PgRows::Text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

int64_t PgRows::Int(int row, int column) const {
  int64_t value = 0;
  const std::string_view text = Text(row, column);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

double PgRows::Double(int row, int column) const {
  double value = 0;
  const std::string_view text = Text(row, column);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void PgConnection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Result<PgConnection> PgConnection::Open(const std::string& address) {
  PgConnection connection;
  connection.name_ = WithoutPassword(address);
  const char* const keys[] = {"dbname", "connect_timeout", "client_encoding", "application_name", nullptr};
  const char* const values[] = {address.c_str(), "5", "UTF8", "diptych", nullptr};
  connection.connection_.reset(PQconnectdbParams(keys, values, /*expand_dbname=*/1));
  if (PQstatus(connection.connection_.get()) != CONNECTION_OK) {
    return Unavailable(connection.name_, OneLine(PQerrorMessage(connection.connection_.get())));
  }
  PQsetNoticeProcessor(
      connection.connection_.get(), [](void*, const char*) {}, nullptr);
  return connection;
}

Status PgConnection::Failure(const pg_result* result) const {
  const std::string what = OneLine(PQerrorMessage(connection_.get()));
  if (PQstatus(connection_.get()) == CONNECTION_BAD) {
    return Unavailable(name_, what, "what was committed is safe: start it again when the server is back");
  }
  const char* state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  const bool no_table = state != nullptr && std::string_view(state) == "42P01";
  return no_table ? NotFound(name_, "there is no store on this server", "make one: diptych index DIR --store ...")
                  : IoError(name_, what);
}

Result<PgRows> PgConnection::Query(const std::string& sql, std::span<const std::string> parameters) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  PgRows rows;
  rows.result_.reset(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                                  values.data(), nullptr, nullptr, 0));
  const ExecStatusType status = PQresultStatus(rows.result_.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return Failure(rows.result_.get());
  return rows;
}

Status PgConnection::Run(const std::string& sql, std::span<const std::string> parameters) {
  return Query(sql, parameters).status();
}

Status PgConnection::Copy(const std::string& sql, std::string_view bytes) {
  PGconn* connection = connection_.get();
  PgRows started;
  started.result_.reset(PQexec(connection, sql.c_str()));
  if (PQresultStatus(started.result_.get()) != PGRES_COPY_IN) return Failure(started.result_.get());
  constexpr size_t kPiece = size_t{1} << 20;
  bool sent = true;
  for (size_t at = 0; sent && at < bytes.size(); at += kPiece) {
    const std::string_view piece = bytes.substr(at, kPiece);
    sent = PQputCopyData(connection, piece.data(), static_cast<int>(piece.size())) == 1;
  }
  sent = PQputCopyEnd(connection, nullptr) == 1 && sent;
  Status status = sent ? Status::Ok() : Failure(nullptr);
  PgRows finished;
  while (pg_result* result = PQgetResult(connection)) {
    finished.result_.reset(result);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && status.ok()) status = Failure(result);
  }
  return status;
}

std::string PgArray(std::span<const std::string> texts) {
  std::string literal = "{";
  for (const std::string& text : texts) {
    literal += literal.size() > 1 ? ",\"" : "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') literal += '\\';
      literal += c;
    }
    literal += '"';
  }
  return literal + "}";
}

PgCopyBuffer::PgCopyBuffer() : bytes_("PGCOPY\n\377\r\n\0", 11) {
  Big(int32_t{0});  // flags
  Big(int32_t{0});  // extension
}

template <class T>
void PgCopyBuffer::Big(T value) {
  const auto bits = static_cast<std::make_unsigned_t<T>>(value);
  for (int shift = 8 * static_cast<int>(sizeof value) - 8; shift >= 0; shift -= 8) {
    bytes_ += static_cast<char>(bits >> shift & 255);
  }
}

void PgCopyBuffer::Row(int fields) {
  Big(static_cast<int16_t>(fields));
}
void PgCopyBuffer::Text(std::string_view text) {
  Big(static_cast<int32_t>(text.size()));
  bytes_ += text;
}
void PgCopyBuffer::Int32(int32_t value) {
  Big(int32_t{4});
  Big(value);
}
void PgCopyBuffer::Int64(int64_t value) {
  Big(int32_t{8});
  Big(value);
}
void PgCopyBuffer::Double(double value) {
  Big(int32_t{8});
  Big(std::bit_cast<int64_t>(value));
}
void PgCopyBuffer::Halves(std::span<const uint16_t> vector) {
  Big(static_cast<int32_t>(4 + 2 * vector.size()));
  Big(static_cast<int16_t>(vector.size()));
  Big(int16_t{0});
  for (const uint16_t half : vector) Big(static_cast<int16_t>(half));
}
const std::string& PgCopyBuffer::Finish() {
  Big(int16_t{-1});
  return bytes_;
}

}  // namespace diptych
