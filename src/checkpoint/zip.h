// The central directory of a zip archive, as far as PyTorch's checkpoints need it: where each stored entry lies.
#ifndef DIPTYCH_CHECKPOINT_ZIP_H_
#define DIPTYCH_CHECKPOINT_ZIP_H_

#include <map>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/status.h"

namespace diptych {

struct ZipEntry {
  ByteSpan data;        // as stored in the archive
  bool stored = false;  // `data` is the content itself: neither compressed nor encrypted
};

/// By name. Names and data are views of the archive's bytes.
using ZipEntries = std::map<std::string_view, ZipEntry>;

/// Reads the directory at the end of `bytes` (PKWARE's APPNOTE 6.3, zip64 included; sizes are taken from the directory,
/// so that data descriptors do not matter) and checks it against the entries' own headers. Untrusted input; refused are
/// entries that lie outside of the archive or on one another, and names that are there twice. `path` is for messages.
Result<ZipEntries> ReadZipDirectory(ByteSpan bytes, const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_ZIP_H_
