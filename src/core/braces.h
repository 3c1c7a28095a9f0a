// Names of shards: "train-{000..999}.tar".
#ifndef DIPTYCH_CORE_BRACES_H_
#define DIPTYCH_CORE_BRACES_H_

#include <string>
#include <vector>

#include "core/status.h"

namespace diptych {

/// All that `text` stands for, in order: ranges "{000..010}" are counted through, widths kept, and alternatives "{a,b}"
/// taken one after the other; an alternative may be a range or hold further braces. "{a}" and "{}" mean themselves.
/// Errors: a range that runs backwards, more than 100,000 results, a pattern longer than a path can be.
Result<std::vector<std::string>> ExpandBraces(const std::string& text);

}  // namespace diptych

#endif  // DIPTYCH_CORE_BRACES_H_
