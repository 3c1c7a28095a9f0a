// The processes of a data-parallel job.
#ifndef DIPTYCH_TRAIN_COMMUNICATOR_H_
#define DIPTYCH_TRAIN_COMMUNICATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/status.h"

namespace diptych::train {

/// Every process of the job calls the same operations in the same order. A process that dies ends the job: the
/// launcher stops the others. Used by one thread of each process.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 writes files and prints
  virtual int size() const = 0;

  /// all (size * n): every process's n values, in order of rank. `mine` may be its own place in `all`.
  virtual void AllGather(const float* mine, int64_t n, float* all) = 0;
  /// x (n) becomes its sum over all processes; every process gets the same bits.
  virtual void AllReduceSum(float* x, int64_t n) = 0;
  /// The same without waiting: x must not be touched before WaitAll.
  virtual void StartAllReduceSum(float* x, int64_t n) = 0;
  virtual void WaitAll() = 0;
  virtual void Broadcast(void* bytes, size_t size, int root) = 0;
  virtual void Barrier() = 0;
};

/// The processes of the job that this one was launched in (mpirun), or one alone. Errors: launched as one of several
/// by a launcher for which this build has no support.
Result<std::unique_ptr<Communicator>> MakeCommunicator();

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_COMMUNICATOR_H_
