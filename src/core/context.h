// What a computation runs with: scratch memory, threads, mode. The seam where a device would be chosen.
#ifndef DIPTYCH_CORE_CONTEXT_H_
#define DIPTYCH_CORE_CONTEXT_H_

#include <utility>

#include "core/arena.h"
#include "core/precision.h"
#include "core/tensor.h"

namespace diptych {

enum class Mode { kInference, kTraining };

/// What the kernels were asked for, so that tests can tell how much is computed without a clock. Convolutions over maps
/// in panels are not counted: threads with pictures of their own run them.
struct Work {
  double flops = 0;  // 2 x the multiply-adds of products, convolutions and attention
  double bytes = 0;  // of their operands and results, each once for each operation
};

/// Belongs to one thread at a time; plans and modules are shared, contexts are not.
/// `threads` is the size of the team that a single operation may use. For throughput, make one context a worker with
/// threads = 1; for a lone small batch, one context with all cores.
class Context {
 public:
  explicit Context(int threads = 1, Mode mode = Mode::kInference, Precision precision = Precision::kF32)
      : threads_(threads), mode_(mode), precision_(precision) {
    CHECK_GE(threads, 1);
  }

  Arena& arena() { return arena_; }
  int threads() const { return threads_; }
  Mode mode() const { return mode_; }
  /// Of a training pass's products. Plans carry their own: they were packed for it.
  Precision precision() const { return precision_; }
  Device device() const { return Device::kHost; }
  /// Of all operations so far.
  const Work& work() const { return work_; }
  void AddWork(const Work& work) {
    work_.flops += work.flops;
    work_.bytes += work.bytes;
  }

  /// Training products are in another precision for as long as it lives.
  class PrecisionScope {
   public:
    PrecisionScope(Context& context, Precision precision)
        : context_(context), previous_(std::exchange(context.precision_, precision)) {}
    ~PrecisionScope() { context_.precision_ = previous_; }
    PrecisionScope(const PrecisionScope&) = delete;
    PrecisionScope& operator=(const PrecisionScope&) = delete;

   private:
    Context& context_;
    Precision previous_;
  };

 private:
  Arena arena_;
  int threads_;
  Mode mode_;
  Precision precision_;
  Work work_;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_CONTEXT_H_
