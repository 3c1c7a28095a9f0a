// Reads tar archives (POSIX ustar and pax, GNU long names), strictly: shards come from anywhere.
#ifndef DIPTYCH_CORE_TAR_H_
#define DIPTYCH_CORE_TAR_H_

#include <cstdint>
#include <optional>
#include <string>

#include "core/file.h"
#include "core/status.h"

namespace diptych {

/// A regular file of an archive.
struct TarEntry {
  std::string name;
  ByteSpan data;  // within the archive's bytes
};

/// Walks an archive from front to back without copying. Folders, links and devices are passed over; nothing is ever
/// written anywhere, so a name is only a name. The bytes must outlive the reader and its entries.
class TarReader {
 public:
  /// `where` names the archive in messages.
  TarReader(ByteSpan bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  /// The next file, or nothing at the end (two blocks of zeros, or the end of the bytes at a block's border).
  /// kCorrupt: a wrong checksum, a malformed number, data beyond the end, an extension header over 1 MiB.
  /// kUnsupported: sparse files, compressed archives. After an error the reader is at its end.
  Result<std::optional<TarEntry>> Next();

  /// Where the next entry's headers begin: from one position to another lie whole entries.
  size_t position() const { return at_; }

 private:
  Result<std::optional<TarEntry>> Find();
  Status ReadPax(ByteSpan data, std::string* name, std::optional<uint64_t>* size) const;

  ByteSpan bytes_;
  std::string where_;
  size_t at_ = 0;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_TAR_H_
