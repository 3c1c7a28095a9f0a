// Standard output and standard error: what they are, and writing to them.
#ifndef DIPTYCH_CLI_TERMINAL_H_
#define DIPTYCH_CLI_TERMINAL_H_

#include <cstdio>
#include <string>
#include <string_view>

namespace diptych::cli {

bool IsTerminal(std::FILE* stream);

/// Columns of the terminal behind the stream; `missing` where it is none.
int TerminalWidth(std::FILE* stream, int missing);

/// Colours are for terminals, unless NO_COLOR is set (no-color.org) or TERM is "dumb".
bool UseColor(std::FILE* stream);

/// Columns that UTF-8 text takes: East Asian wide characters and emoji two, combining marks none.
int DisplayWidth(std::string_view text);

/// `text` cut to at most `width` columns, the last of them an ellipsis where something is missing. Control characters
/// become spaces: names of files may hold any.
std::string FitText(std::string_view text, int width);

/// FitText, then spaces up to `width` columns.
std::string PadText(std::string_view text, int width);

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_TERMINAL_H_
