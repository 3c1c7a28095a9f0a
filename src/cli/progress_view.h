// Progress on standard error, in the form that the user chose.
#ifndef DIPTYCH_CLI_PROGRESS_VIEW_H_
#define DIPTYCH_CLI_PROGRESS_VIEW_H_

#include <memory>
#include <string>

#include "core/progress.h"

namespace diptych::cli {

/// "auto": a bar on a terminal, else nothing; "plain": a line now and then; "json": an object a line; "none".
/// Null where nothing is to be shown.
std::unique_ptr<ProgressSink> MakeProgressView(const std::string& kind);

/// Takes the bar off the terminal, so that a message can stand there; the next state draws it anew.
void ClearProgressLine();

/// "12,345"
std::string WithCommas(int64_t value);

/// "41 s", "3 min 20 s", "2 h 5 min"
std::string Duration(double seconds);

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_PROGRESS_VIEW_H_
