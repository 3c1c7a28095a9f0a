// What the program says to the shell.
#ifndef DIPTYCH_CLI_EXIT_CODE_H_
#define DIPTYCH_CLI_EXIT_CODE_H_

namespace diptych::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;  // nothing came of it: also when every input was bad
inline constexpr int kExitUsage = 2;    // the command line makes no sense
inline constexpr int kExitSkipped = 3;  // done, but some inputs were passed over

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_EXIT_CODE_H_
