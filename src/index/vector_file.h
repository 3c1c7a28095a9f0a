// Embeddings in fp16, one row after the other, in a file that only grows and is read through a mapping.
#ifndef DIPTYCH_INDEX_VECTOR_FILE_H_
#define DIPTYCH_INDEX_VECTOR_FILE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/file.h"
#include "core/status.h"
#include "index/storage.h"

namespace diptych {

/// A page that says what the file is, then rows of E halves each, little-endian. How many rows count is not in here:
/// whatever lies beyond the committed ones (Store) was being written when its writer died.
inline constexpr size_t kVectorHeaderBytes = 4096;

/// The committed rows of a file, readable by any number of threads while a writer appends.
class VectorMapping {
 public:
  /// Errors: kCorrupt for a header that is not this format's or says another E, or fewer than `rows` rows.
  static Result<VectorMapping> Open(const std::string& path, int64_t e, int64_t rows);

  int64_t rows() const { return rows_; }
  int64_t e() const { return e_; }
  const uint16_t* data() const { return data_; }  // (rows, E)
  std::span<const uint16_t> Row(int64_t row) const { return {data_ + row * e_, static_cast<size_t>(e_)}; }
  uint64_t ChecksumOfRow(int64_t row) const;

 private:
  std::shared_ptr<const MappedFile> file_;
  const uint16_t* data_ = nullptr;
  int64_t e_ = 0, rows_ = 0;
};

/// Appends rows after the committed ones.
class VectorWriter {
 public:
  /// Makes the file where there is none; cuts off what lies beyond `rows`. Errors: as VectorMapping::Open, the disk.
  static Result<VectorWriter> Open(Storage& storage, const std::string& path, int64_t e, int64_t rows);

  /// Rows (n, E).
  Status Append(std::span<const uint16_t> rows);
  Status Sync() { return file_->Sync(); }
  int64_t rows() const { return static_cast<int64_t>((file_->size() - kVectorHeaderBytes) / row_bytes_); }

 private:
  VectorWriter(std::unique_ptr<AppendFile> file, uint64_t row_bytes) : file_(std::move(file)), row_bytes_(row_bytes) {}
  std::unique_ptr<AppendFile> file_;
  uint64_t row_bytes_;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_VECTOR_FILE_H_
