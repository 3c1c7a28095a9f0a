#include "api/process.h"

#include <unistd.h>

#include <atomic>

namespace diptych {

Status EnterProcess() {
  static std::atomic<pid_t> owner{0};
  const pid_t self = ::getpid();
  pid_t expected = 0;
  if (owner.compare_exchange_strong(expected, self) || expected == self) return Status::Ok();
  return Status(StatusCode::kWrongProcess, "process " + std::to_string(self),
                "was forked from process " + std::to_string(expected) + ", which had computed already, and has none of "
                "its threads",
                "start workers by \"spawn\" or \"forkserver\", or compute in them alone");
}

}  // namespace diptych
