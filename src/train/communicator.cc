#include "train/communicator.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "core/file.h"

namespace diptych::train {
namespace {

constexpr char kLibrary[] = "libdiptych_mpi.so";

class Alone : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void AllGather(const void* mine, size_t bytes, void* all) override { std::memmove(all, mine, bytes); }
  void AllReduceSum(float*, int64_t) override {}
  void StartAllReduceSum(float*, int64_t) override {}
  void WaitAll() override {}
  void Broadcast(void*, size_t, int) override {}
  void Barrier() override {}
  void EndJob(int) override {}
};

// A number that a launcher left in the environment, 1 without it.
int CountFrom(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? 1 : std::atoi(value);
}

// Open MPI is dozens of shared libraries: a program that runs alone never loads it.
Result<std::unique_ptr<Communicator>> LoadMpi() {
  const std::string folder = ProgramFolder();
  for (const std::string& path : {folder + "/" + kLibrary, folder + "/../lib/" + kLibrary}) {
    if (!std::filesystem::exists(path)) continue;
    // Global: Open MPI's plug-ins look for its symbols there. Never unloaded: it starts once in a process.
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    void* make = library == nullptr ? nullptr : ::dlsym(library, "DiptychMakeMpiCommunicator");
    if (make == nullptr) {
      return Unsupported(path, ::dlerror(), "it needs Open MPI's libraries (Debian's libopenmpi3)");
    }
    return std::unique_ptr<Communicator>(reinterpret_cast<Communicator* (*)()>(make)());
  }
  return Unsupported("mpirun",
                     std::string("this build of Diptych has no ") + kLibrary + ", which runs several processes",
                     "install libopenmpi-dev and build again, or run one process without mpirun");
}

}  // namespace

std::vector<std::string> GatherStrings(Communicator& communicator, std::string_view mine) {
  const size_t ranks = static_cast<size_t>(communicator.size());
  std::vector<size_t> sizes(ranks);
  const size_t size = mine.size();
  communicator.AllGather(&size, sizeof size, sizes.data());
  const size_t widest = *std::max_element(sizes.begin(), sizes.end());
  std::string padded(mine), all(ranks * widest, '\0');
  padded.resize(widest);
  communicator.AllGather(padded.data(), widest, all.data());
  std::vector<std::string> strings;
  for (size_t rank = 0; rank < ranks; ++rank) strings.push_back(all.substr(rank * widest, sizes[rank]));
  return strings;
}

std::unique_ptr<Communicator> OneProcess() { return std::make_unique<Alone>(); }

Result<std::unique_ptr<Communicator>> MakeCommunicator() {
  if (CountFrom("OMPI_COMM_WORLD_SIZE") > 1) return LoadMpi();
  // MPICH and its relatives, which Open MPI's library would take for so many jobs of one process each.
  if (CountFrom("PMI_SIZE") > 1) {
    return Unsupported("PMI_SIZE=" + std::string(std::getenv("PMI_SIZE")), "this launcher is not Open MPI's",
                       "use the mpirun of Debian's openmpi-bin");
  }
  return OneProcess();
}

}  // namespace diptych::train
