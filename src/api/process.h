// Threads do not survive fork(): the team of OpenMP that computed in the parent is waited for in vain in the child.
#ifndef DIPTYCH_API_PROCESS_H_
#define DIPTYCH_API_PROCESS_H_

#include "core/status.h"

namespace diptych {

/// To be asked before anything that starts threads. The first call makes this process the one that computes; in a fork
/// of it the answer is kWrongProcess.
Status EnterProcess();

}  // namespace diptych

#endif  // DIPTYCH_API_PROCESS_H_
