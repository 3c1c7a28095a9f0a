// Apache Parquet, as far as a table of texts and whole numbers needs it: one row group, plain, uncompressed, no nulls.
#ifndef DIPTYCH_CORE_PARQUET_H_
#define DIPTYCH_CORE_PARQUET_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/status.h"

namespace diptych {

struct ParquetColumn {
  std::string name;
  std::variant<std::vector<std::string>, std::vector<int64_t>> values;  // UTF-8, or 64-bit integers
};

/// Writes columns of equal length, atomically. The format:
/// https://parquet.apache.org/docs/file-format. Errors: see OutputFile; a column of 2 GiB and more.
Status WriteParquet(const std::string& path, const std::vector<ParquetColumn>& columns);

}  // namespace diptych

#endif  // DIPTYCH_CORE_PARQUET_H_
