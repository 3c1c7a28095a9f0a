#include "checkpoint/zip.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_header.h"

namespace diptych {
namespace {

constexpr char kDamaged[] = "the file is damaged or incomplete: download it again";

// Sizes of the fixed parts of the records, and their signatures.
constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kDirectoryBytes = 46, kLocalBytes = 30;
constexpr uint32_t kEndSignature = 0x06054b50, kLocatorSignature = 0x07064b50, kEnd64Signature = 0x06064b50;
constexpr uint32_t kDirectorySignature = 0x02014b50, kLocalSignature = 0x04034b50;
constexpr uint32_t kIn64 = 0xffffffff;  // instead of a value that a zip64 record holds

// Little-endian numbers. REQUIRES: they lie inside.
uint64_t Number(ByteSpan bytes, uint64_t at, int size) {
  uint64_t value = 0;
  for (int i = size; i-- > 0;) value = value << 8 | bytes[static_cast<size_t>(at) + static_cast<size_t>(i)];
  return value;
}

// A record of `size` bytes with this signature lies at `at`.
bool Holds(ByteSpan bytes, uint64_t at, uint64_t size, uint32_t signature) {
  return at <= bytes.size() && size <= bytes.size() - at && Number(bytes, at, 4) == signature;
}

struct Directory {
  uint64_t count = 0, size = 0, offset = 0;
};

// The end record is followed by nothing but its own comment.
std::optional<uint64_t> FindEnd(ByteSpan bytes) {
  constexpr uint64_t kMaxComment = 0xffff;
  if (bytes.size() < kEndBytes) return std::nullopt;
  for (uint64_t comment = 0; comment <= std::min<uint64_t>(kMaxComment, bytes.size() - kEndBytes); ++comment) {
    const uint64_t at = bytes.size() - kEndBytes - comment;
    if (Number(bytes, at, 4) == kEndSignature && Number(bytes, at + 20, 2) == comment) return at;
  }
  return std::nullopt;
}

Result<Directory> FindDirectory(ByteSpan bytes, const std::string& path) {
  const std::optional<uint64_t> end = FindEnd(bytes);
  if (!end) return Corrupt(path, "has no zip directory at its end", kDamaged);
  Directory directory = {
      .count = Number(bytes, *end + 10, 2), .size = Number(bytes, *end + 12, 4), .offset = Number(bytes, *end + 16, 4)};
  uint64_t limit = *end, disks = Number(bytes, *end + 4, 4);
  if (directory.count == 0xffff || directory.size == kIn64 || directory.offset == kIn64) {
    if (*end < kLocatorBytes || !Holds(bytes, *end - kLocatorBytes, kLocatorBytes, kLocatorSignature)) {
      return Corrupt(path, "its zip directory has no zip64 locator", kDamaged);
    }
    limit = Number(bytes, *end - kLocatorBytes + 8, 8);
    if (!Holds(bytes, limit, kEnd64Bytes, kEnd64Signature)) {
      return Corrupt(path, "its zip directory has no zip64 record", kDamaged);
    }
    disks = Number(bytes, limit + 16, 8);
    directory = {.count = Number(bytes, limit + 32, 8),
                 .size = Number(bytes, limit + 40, 8),
                 .offset = Number(bytes, limit + 48, 8)};
  }
  if (disks != 0) return Unsupported(path, "is one part of a zip archive in several");
  if (directory.offset > limit || directory.size > limit - directory.offset) {
    return Corrupt(path, "its zip directory lies outside of the file", kDamaged);
  }
  return directory;
}

// Walks the directory record by record.
class DirectoryReader {
 public:
  DirectoryReader(ByteSpan bytes, const Directory& directory, const std::string& path)
      : bytes_(bytes), directory_(directory), path_(path) {}

  Result<ZipEntries> Read() {
    uint64_t at = directory_.offset;
    const ByteSpan records = bytes_.first(static_cast<size_t>(directory_.offset + directory_.size));
    for (uint64_t i = 0; i < directory_.count; ++i) {
      if (!Holds(records, at, kDirectoryBytes, kDirectorySignature)) {
        return Corrupt(path_,
                       "its zip directory breaks off after " + std::to_string(i) + " of " +
                           std::to_string(directory_.count) + " entries",
                       kDamaged);
      }
      const uint64_t name = Number(records, at + 28, 2), extra = Number(records, at + 30, 2);
      const uint64_t bytes = kDirectoryBytes + name + extra + Number(records, at + 32, 2);
      if (bytes > records.size() - at) return Corrupt(path_, "its zip directory is cut short", kDamaged);
      RETURN_IF_ERROR(ReadRecord(records.subspan(static_cast<size_t>(at), static_cast<size_t>(bytes)), name, extra));
      at += bytes;
    }
    RETURN_IF_ERROR(CheckOverlap());
    return std::move(entries_);
  }

 private:
  Status Bad(std::string_view name, const std::string& what) const {
    return Corrupt(path_ + ": entry " + QuotedTensorName(std::string(name)), what, kDamaged);
  }

  Status ReadRecord(ByteSpan record, uint64_t name_bytes, uint64_t extra_bytes) {
    const std::string_view name(reinterpret_cast<const char*>(record.data()) + kDirectoryBytes,
                                static_cast<size_t>(name_bytes));
    const uint64_t flags = Number(record, 8, 2), method = Number(record, 10, 2);
    uint64_t packed = Number(record, 20, 4), unpacked = Number(record, 24, 4), local = Number(record, 42, 4);
    const ByteSpan extra =
        record.subspan(static_cast<size_t>(kDirectoryBytes + name_bytes), static_cast<size_t>(extra_bytes));
    if (!ReadZip64(extra, {&unpacked, &packed, &local})) return Bad(name, "lacks its zip64 sizes");
    if (!Holds(bytes_, local, kLocalBytes, kLocalSignature)) return Bad(name, "does not lie where the directory says");
    const uint64_t header = kLocalBytes + Number(bytes_, local + 26, 2) + Number(bytes_, local + 28, 2);
    // Nothing lies behind the directory.
    if (local > directory_.offset || header > directory_.offset - local ||
        packed > directory_.offset - local - header) {
      return Bad(name, "reaches beyond the end of the file");
    }
    const bool stored = method == 0 && (flags & 1) == 0;
    if (stored && packed != unpacked) return Bad(name, "has two different sizes");
    const ByteSpan data = bytes_.subspan(static_cast<size_t>(local + header), static_cast<size_t>(packed));
    if (!entries_.try_emplace(name, ZipEntry{data, stored}).second) return Bad(name, "is there twice");
    extents_.emplace_back(local, local + header + packed);
    return Status::Ok();
  }

  // Replaces, in this order, those of `values` that are too large for the record. False where they are not there.
  static bool ReadZip64(ByteSpan extra, std::initializer_list<uint64_t*> values) {
    constexpr uint64_t kZip64 = 1;
    ByteSpan field;
    while (extra.size() >= 4) {
      const uint64_t size = Number(extra, 2, 2);
      if (size > extra.size() - 4) break;
      if (Number(extra, 0, 2) == kZip64) field = extra.subspan(4, static_cast<size_t>(size));
      extra = extra.subspan(static_cast<size_t>(4 + size));
    }
    for (uint64_t* value : values) {
      if (*value != kIn64) continue;
      if (field.size() < 8) return false;
      *value = Number(field, 0, 8);
      field = field.subspan(8);
    }
    return true;
  }

  Status CheckOverlap() {
    std::sort(extents_.begin(), extents_.end());
    for (size_t i = 1; i < extents_.size(); ++i) {
      if (extents_[i].first < extents_[i - 1].second) {
        return Corrupt(path_, "two of its zip entries overlap at byte " + std::to_string(extents_[i].first), kDamaged);
      }
    }
    return Status::Ok();
  }

  const ByteSpan bytes_;
  const Directory directory_;
  const std::string& path_;
  ZipEntries entries_;
  std::vector<std::pair<uint64_t, uint64_t>> extents_;  // first byte of the header, first byte behind the data
};

}  // namespace

Result<ZipEntries> ReadZipDirectory(ByteSpan bytes, const std::string& path) {
  ASSIGN_OR_RETURN(const Directory directory, FindDirectory(bytes, path));
  return DirectoryReader(bytes, directory, path).Read();
}

}  // namespace diptych
