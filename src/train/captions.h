// Captions from the files that hold them.
#ifndef DIPTYCH_TRAIN_CAPTIONS_H_
#define DIPTYCH_TRAIN_CAPTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace diptych::train {

inline constexpr size_t kMaxCaptionBytes = size_t{1} << 20;  // of a file with captions

/// Without white space at both ends.
std::string_view Trimmed(std::string_view text);

/// Appends each line that is not blank and not there yet, up to 256 captions in all.
void AddCaptions(std::string_view lines, std::vector<std::string>* captions);

/// The same with "caption" (a string) and "captions" (a list of strings) of a JSON object.
/// Errors: not an object, a field of another type.
Status AddJsonCaptions(std::string_view json, const std::string& where, std::vector<std::string>* captions);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_CAPTIONS_H_
