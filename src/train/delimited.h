// Comma- and tab-separated tables (RFC 4180, as Python's csv reads them).
#ifndef DIPTYCH_TRAIN_DELIMITED_H_
#define DIPTYCH_TRAIN_DELIMITED_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace diptych::train {

/// Reads a table row by row. A field that begins with '"' ends at the next single '"'; '""' within is one '"', and
/// separators and ends of lines within belong to it. Lines end with LF or CRLF; blank ones and byte order
/// marks before a row are passed over. The text must outlive the reader.
class DelimitedReader {
 public:
  static constexpr size_t kMaxRow = size_t{1} << 20;  // bytes

  DelimitedReader(std::string_view text, char separator) : text_(text), separator_(separator) {}

  /// The fields of the next row; false at the end. Errors (kCorrupt) name the line: a quote that is not closed, a row
  /// over 1 MiB. After an error the reader is at its end.
  Result<bool> Next(std::vector<std::string>* fields);

  /// Where the row that Next gave lies: its bytes are a table of one row.
  size_t row_begin() const { return begin_; }
  size_t row_end() const { return at_; }
  int64_t line() const { return row_line_; }  // of its beginning, from 1

 private:
  Status ReadField(std::string* field);
  bool AtEndOfRow() const { return at_ == text_.size() || text_[at_] == '\n'; }

  std::string_view text_;
  char separator_;
  size_t at_ = 0, begin_ = 0;
  int64_t line_ = 1, row_line_ = 1;
};

/// The place of a column in a header row.
std::optional<size_t> FindColumn(const std::vector<std::string>& header, std::string_view name);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_DELIMITED_H_
