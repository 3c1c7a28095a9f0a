#include "index/vector_file.h"

#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "core/content_hash.h"

namespace diptych {
namespace {

constexpr std::string_view kMagic("DIPTYCHV", 8);
constexpr uint32_t kVersion = 1;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t bits;  // of a value
  uint64_t e;
  uint64_t checksum;  // of all before it
};

ByteSpan Bytes(const void* data, size_t size) {
  return {static_cast<const uint8_t*>(data), size};
}

std::vector<uint8_t> MakeHeader(int64_t e) {
  Header header{};
  std::memcpy(header.magic, kMagic.data(), sizeof header.magic);
  header.version = kVersion;
  header.bits = 16;
  header.e = static_cast<uint64_t>(e);
  header.checksum = Checksum64(Bytes(&header, offsetof(Header, checksum)));
  std::vector<uint8_t> page(kVectorHeaderBytes);
  std::memcpy(page.data(), &header, sizeof header);
  return page;
}

Status CheckHeader(ByteSpan bytes, int64_t e, const std::string& path) {
  Header header;
  if (bytes.size() < kVectorHeaderBytes) return Corrupt(path, "is cut off within its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::string_view(header.magic, sizeof header.magic) != kMagic) return Corrupt(path, "is not a file of vectors");
  if (header.version != kVersion) {
    return Unsupported(path, "has version " + std::to_string(header.version) + " of the format",
                       "this program reads version " + std::to_string(kVersion));
  }
  if (header.checksum != Checksum64(Bytes(&header, offsetof(Header, checksum)))) {
    return Corrupt(path, "its header is damaged");
  }
  if (header.bits != 16 || header.e != static_cast<uint64_t>(e)) {
    return Corrupt(path,
                   "holds vectors of " + std::to_string(header.e) + " values, the store says " + std::to_string(e));
  }
  return Status::Ok();
}

Status CheckLength(uint64_t bytes, int64_t e, int64_t rows, const std::string& path) {
  const uint64_t held = (bytes - kVectorHeaderBytes) / (2 * static_cast<uint64_t>(e));
  if (held >= static_cast<uint64_t>(rows)) return Status::Ok();
  return Corrupt(path, "holds " + std::to_string(held) + " vectors, the store says " + std::to_string(rows),
                 "the file was cut after it had been written: restore it, or remove the store and index again");
}

}  // namespace

Result<VectorMapping> VectorMapping::Open(const std::string& path, int64_t e, int64_t rows) {
  VectorMapping mapping;
  ASSIGN_OR_RETURN(mapping.file_, MappedFile::Open(path));
  RETURN_IF_ERROR(CheckHeader(mapping.file_->bytes(), e, path));
  RETURN_IF_ERROR(CheckLength(mapping.file_->bytes().size(), e, rows, path));
  mapping.data_ = reinterpret_cast<const uint16_t*>(mapping.file_->bytes().data() + kVectorHeaderBytes);
  mapping.e_ = e;
  mapping.rows_ = rows;
  return mapping;
}

uint64_t VectorMapping::ChecksumOfRow(int64_t row) const {
  return Checksum64(Bytes(Row(row).data(), Row(row).size_bytes()));
}

Result<VectorWriter> VectorWriter::Open(Storage& storage, const std::string& path, int64_t e, int64_t rows) {
  ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file, storage.OpenAppend(path));
  const uint64_t row_bytes = 2 * static_cast<uint64_t>(e);
  // A writer that died while it made the file left a part of the header at most.
  if (rows == 0 && file->size() < kVectorHeaderBytes) {
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->Append(MakeHeader(e)));
  } else {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(file->size(), kVectorHeaderBytes));
    ASSIGN_OR_RETURN(const std::string header, ReadFileRange(path, 0, size));
    RETURN_IF_ERROR(CheckHeader(Bytes(header.data(), header.size()), e, path));
    RETURN_IF_ERROR(CheckLength(file->size(), e, rows, path));
    const uint64_t committed = kVectorHeaderBytes + row_bytes * static_cast<uint64_t>(rows);
    if (file->size() > committed) RETURN_IF_ERROR(file->Truncate(committed));
  }
  return VectorWriter(std::move(file), row_bytes);
}

Status VectorWriter::Append(std::span<const uint16_t> rows) {
  return file_->Append(Bytes(rows.data(), rows.size_bytes()));
}

}  // namespace diptych
