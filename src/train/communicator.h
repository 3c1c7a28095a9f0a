// The processes of a data-parallel job.
#ifndef DIPTYCH_TRAIN_COMMUNICATOR_H_
#define DIPTYCH_TRAIN_COMMUNICATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace diptych::train {

/// Every process of the job calls the same operations in the same order with the same sizes. A process that dies ends
/// the job: the launcher stops the others. Used by one thread of each process.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 writes files and prints
  virtual int size() const = 0;

  /// all (size() * bytes): what every process gives, in order of rank. `mine` may be its own place in `all`.
  virtual void AllGather(const void* mine, size_t bytes, void* all) = 0;
  /// x (n) becomes its sum over all processes; every process gets the same bits, the same ones in every run.
  virtual void AllReduceSum(float* x, int64_t n) = 0;
  /// The same without waiting: x must not be touched before WaitAll. Goes on beside the caller's computation.
  virtual void StartAllReduceSum(float* x, int64_t n) = 0;
  virtual void WaitAll() = 0;
  /// Everyone gets what `root` has.
  virtual void Broadcast(void* bytes, size_t size, int root) = 0;
  virtual void Barrier() = 0;

  /// For a process that cannot go on while the others wait for it: ends all of them, itself too, with this exit code;
  /// what it has to say is said before. Returns only where it is alone: its Status then takes the ordinary way.
  virtual void EndJob(int exit_code) = 0;
};

/// What every process gives, in order of rank; they may differ in length. Every process calls it.
std::vector<std::string> GatherStrings(Communicator& communicator, std::string_view mine);

/// A process alone, whatever launched it.
std::unique_ptr<Communicator> OneProcess();

/// The processes of the job that this one was launched in (Open MPI's mpirun), or one alone. At most once in the life
/// of a process, and destroyed before it ends. Errors: launched as one of several where the part of Diptych that speaks
/// to the launcher is missing (libdiptych_mpi.so, which stands beside the program or in ../lib) or does not load, or by
/// a launcher that is not Open MPI's.
Result<std::unique_ptr<Communicator>> MakeCommunicator();

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_COMMUNICATOR_H_
