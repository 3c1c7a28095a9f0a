#include "core/threads.h"

#include <sched.h>

#include <algorithm>

namespace diptych {

int AvailableThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;  // more processors than a cpu_set_t holds
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace diptych
