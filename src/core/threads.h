// How many processors there are for us.
#ifndef DIPTYCH_CORE_THREADS_H_
#define DIPTYCH_CORE_THREADS_H_

namespace diptych {

/// The processors that this process may run on (its affinity mask, which containers and taskset set), at least 1.
int AvailableThreads();

}  // namespace diptych

#endif  // DIPTYCH_CORE_THREADS_H_
