// Looking after a long call from another thread.
#ifndef DIPTYCH_WATCH_H_
#define DIPTYCH_WATCH_H_

#include <atomic>
#include <cstdint>

namespace diptych {

/// Given to a call that may take long; the caller keeps it alive until that returns, and any thread may look.
struct Watch {
  std::atomic<int64_t> done{0};   // pictures or texts so far
  std::atomic<bool> stop{false};  // set: the call ends with kCancelled after the batches that are under way
};

}  // namespace diptych

#endif  // DIPTYCH_WATCH_H_
