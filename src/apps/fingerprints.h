// What is known of a picture before any model has seen it.
#ifndef DIPTYCH_APPS_FINGERPRINTS_H_
#define DIPTYCH_APPS_FINGERPRINTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/inputs.h"
#include "apps/runtime.h"
#include "index/picture_store.h"

namespace diptych {

struct FileTimes {
  int64_t bytes = 0, modified = 0;  // nanoseconds since 1970
};

/// Nothing where there is no such file.
std::optional<FileTimes> TimesOf(const std::string& path);

/// The archive that the stored path of a member begins with.
std::optional<std::string> ArchiveOf(const std::string& path);

/// Sets what follows from a picture's encoded bytes and its pixels: their hashes, size and sharpness.
void SetFingerprint(ByteSpan bytes, const Image& image, StoredPicture& picture);

/// Reads and decodes the pictures, and takes their fingerprints. In the order of the inputs; slots count from 0. What
/// cannot be read is told to runtime.skip.
std::vector<StoredPicture> FingerprintPictures(PictureInputs& inputs, const DecodeOptions& decode,
                                               const Runtime& runtime);

}  // namespace diptych

#endif  // DIPTYCH_APPS_FINGERPRINTS_H_
