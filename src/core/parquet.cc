#include "core/parquet.h"

#include <cstring>
#include <string_view>

#include "core/check.h"
#include "core/file.h"

namespace diptych {
namespace {

// Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
class Thrift {
 public:
  void Field(int id, int type) {
    const int delta = id - last_.back();
    if (delta > 0 && delta < 16) {
      bytes_ += static_cast<char>(delta << 4 | type);
    } else {
      bytes_ += static_cast<char>(type);
      Varint(ZigZag(id));
    }
    last_.back() = id;
  }
  void I32(int id, int64_t value) { Field(id, 5), Varint(ZigZag(value)); }
  void I64(int id, int64_t value) { Field(id, 6), Varint(ZigZag(value)); }
  void Text(int id, std::string_view text) { Field(id, 8), RawText(text); }
  void RawText(std::string_view text) { Varint(text.size()), bytes_ += text; }
  void RawI32(int64_t value) { Varint(ZigZag(value)); }
  void List(int id, size_t size, int type) {
    Field(id, 9);
    bytes_ += static_cast<char>((size < 15 ? size : 15) << 4 | static_cast<size_t>(type));
    if (size >= 15) Varint(size);
  }
  void Begin() { last_.push_back(0); }
  void Begin(int id) { Field(id, 12), Begin(); }
  void End() { bytes_ += '\0', last_.pop_back(); }
  const std::string& bytes() const { return bytes_; }

 private:
  static uint64_t ZigZag(int64_t value) {
    return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
  std::vector<int> last_ = {0};
};

constexpr int kStruct = 12, kBinary = 8, kI32Type = 5;  // Thrift's
constexpr int kInt64 = 2, kByteArray = 6;               // Parquet's physical types
constexpr int kUtf8 = 0, kRequired = 0, kPlain = 0, kRle = 3, kUncompressed = 0, kDataPage = 0;
constexpr size_t kMaxColumn = size_t{1} << 31;

template <class T>
void AppendLittleEndian(T value, std::string& to) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof value);
}

int64_t RowsOf(const ParquetColumn& column) {
  return std::visit([](const auto& values) { return static_cast<int64_t>(values.size()); }, column.values);
}

std::string Plain(const ParquetColumn& column) {
  std::string bytes;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values)) {
    for (const std::string& text : *texts) {
      AppendLittleEndian(static_cast<uint32_t>(text.size()), bytes);
      bytes += text;
    }
  } else {
    for (const int64_t value : std::get<std::vector<int64_t>>(column.values)) AppendLittleEndian(value, bytes);
  }
  return bytes;
}

// Where a column's only page lies.
struct Chunk {
  int64_t offset = 0, bytes = 0;
};

std::string PageHeader(int64_t rows, size_t bytes) {
  Thrift page;
  page.I32(1, kDataPage);
  page.I32(2, static_cast<int64_t>(bytes));
  page.I32(3, static_cast<int64_t>(bytes));
  page.Begin(5);
  page.I32(1, rows);
  page.I32(2, kPlain);
  page.I32(3, kRle);  // of levels, which columns without nulls have none of
  page.I32(4, kRle);
  page.End();
  page.End();
  return page.bytes();
}

std::string Footer(const std::vector<ParquetColumn>& columns, const std::vector<Chunk>& chunks, int64_t rows) {
  Thrift file;
  file.I32(1, 1);
  file.List(2, columns.size() + 1, kStruct);
  file.Begin();
  file.Text(4, "schema");
  file.I32(5, static_cast<int64_t>(columns.size()));
  file.End();
  for (const ParquetColumn& column : columns) {
    const bool text = column.values.index() == 0;
    file.Begin();
    file.I32(1, text ? kByteArray : kInt64);
    file.I32(3, kRequired);
    file.Text(4, column.name);
    if (text) file.I32(6, kUtf8);
    file.End();
  }
  file.I64(3, rows);
  file.List(4, 1, kStruct);
  file.Begin();
  file.List(1, columns.size(), kStruct);
  int64_t total = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    file.Begin();
    file.I64(2, chunks[i].offset);
    file.Begin(3);
    file.I32(1, columns[i].values.index() == 0 ? kByteArray : kInt64);
    file.List(2, 1, kI32Type);
    file.RawI32(kPlain);
    file.List(3, 1, kBinary);
    file.RawText(columns[i].name);
    file.I32(4, kUncompressed);
    file.I64(5, rows);
    file.I64(6, chunks[i].bytes);
    file.I64(7, chunks[i].bytes);
    file.I64(9, chunks[i].offset);
    file.End();
    file.End();
    total += chunks[i].bytes;
  }
  file.I64(2, total);
  file.I64(3, rows);
  file.End();
  file.Text(6, "diptych");
  file.End();
  return file.bytes();
}

}  // namespace

Status WriteParquet(const std::string& path, const std::vector<ParquetColumn>& columns) {
  CHECK(!columns.empty());
  const int64_t rows = RowsOf(columns[0]);
  std::string bytes = "PAR1";
  std::vector<Chunk> chunks;
  for (const ParquetColumn& column : columns) {
    CHECK_EQ(RowsOf(column), rows);
    const std::string plain = Plain(column);
    if (plain.size() >= kMaxColumn) return LimitExceeded(path, "the column " + column.name + " has 2 GiB or more");
    const std::string header = PageHeader(rows, plain.size());
    chunks.push_back({static_cast<int64_t>(bytes.size()), static_cast<int64_t>(header.size() + plain.size())});
    bytes += header + plain;
  }
  const std::string footer = Footer(columns, chunks, rows);
  bytes += footer;
  AppendLittleEndian(static_cast<uint32_t>(footer.size()), bytes);
  return WriteFileAtomically(path, bytes + "PAR1");
}

}  // namespace diptych
