// Files: read whole, mapped, written atomically. Every failure names the path and the system's reason.
#ifndef DIPTYCH_CORE_FILE_H_
#define DIPTYCH_CORE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/status.h"

namespace diptych {

using ByteSpan = std::span<const uint8_t>;

/// A read-only mapping of a whole file, shared by everything that views its bytes.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  ByteSpan bytes() const { return {data_, size_}; }
  /// Only places far apart will be read (headers): nothing is read ahead from the disk.
  void ExpectSparseReads() const;
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, const uint8_t* data, size_t size) : path_(std::move(path)), data_(data), size_(size) {}
  std::string path_;
  const uint8_t* data_;
  size_t size_;
};

/// Tells the kernel that the whole pages inside [data, data + bytes) of a mapping are not needed for now. They leave
/// the process's resident memory and come back from the page cache when read again. Memory outside of every MappedFile
/// (a copy of a tensor) is left as it is.
void ReleaseMappedPages(const void* data, size_t bytes);

/// The whole file as bytes; more than `max_bytes` is an error, found before anything is read.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes = size_t{1} << 30);

/// `size` bytes from `offset` on. Errors: the file ends before that.
Result<std::string> ReadFileRange(const std::string& path, uint64_t offset, size_t size);

/// Writes to a temporary name in the same folder, then renames: readers see the old file or the new one, never half.
/// A link is followed; a device or pipe (/dev/null, /dev/stdout) is written to as it is.
Status WriteFileAtomically(const std::string& path, std::string_view bytes);
/// The same with the concatenation of `pieces`.
Status WriteFileAtomically(const std::string& path, std::span<const std::string_view> pieces);

/// The folder of the running executable, or of this shared library where it is loaded from one. Absolute.
std::string ProgramFolder();

}  // namespace diptych

#endif  // DIPTYCH_CORE_FILE_H_
