// Texts and labels from flags and files.
#ifndef DIPTYCH_APPS_TEXTS_H_
#define DIPTYCH_APPS_TEXTS_H_

#include <string>
#include <vector>

#include "core/status.h"
#include "diptych/classify.h"
#include "diptych/options.h"

namespace diptych {

/// The lines of a UTF-8 file, LF or CRLF, a byte order mark dropped; a last line without an end counts. `flag` is for
/// messages. Errors: not UTF-8, larger than 256 MiB.
Result<std::vector<std::string>> ReadLines(const std::string& path, const std::string& flag);

/// Texts as they are, blank ones too: --text first, then the file's. May be empty.
Result<std::vector<std::string>> GatherTexts(const TextOptions& options);

/// Labels trimmed, blank ones skipped: --label, --labels, the file. Errors (kInvalidArgument): none at all, one twice.
Result<std::vector<std::string>> GatherLabels(const ClassifyOptions& options);

/// The prompt templates asked for; "a photo of a {}" where nothing is. Errors: both flags, a template without "{}".
Result<std::vector<std::string>> GatherTemplates(const ClassifyOptions& options);

}  // namespace diptych

#endif  // DIPTYCH_APPS_TEXTS_H_
