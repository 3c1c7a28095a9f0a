// The processes of a job of Open MPI: a library of its own, which communicator.cc loads where mpirun started us.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/check.h"
#include "train/communicator.h"

namespace diptych::train {
namespace {

// What one exchange of messages sums: large enough for full bandwidth, small enough that its scratch does not matter.
constexpr int64_t kPieceFloats = int64_t{1} << 20;
// Pieces under way. Gradients of biases are pieces of their own, and each needs a few rounds of polling.
constexpr size_t kPiecesUnderWay = 8;
// Open MPI moves messages only inside of its calls. A thread makes them this often while sums are under way: the
// computation pays some 1 % of a core, and a piece with its handshakes is through after a few milliseconds.
constexpr auto kPollInterval = std::chrono::microseconds(500);

// How a process waits for others: at once on the alert, then without taking its core from whoever else needs it (its
// own decoding threads, other ranks). Open MPI's blocking calls would spin.
class Patience {
 public:
  void Pause() {
    if (++pauses_ < 200) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

 private:
  int pauses_ = 0;
};

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// Sums one piece over all processes. Each process owns a part of it, receives the others' values of that part, adds
// them in order of rank and sends everyone the result: each number crosses the network twice, and every process gets
// the owner's bits, whatever algorithms Open MPI would have chosen.
class PieceSum {
 public:
  void Start(MPI_Comm comm, float* x, int64_t n, int sequence) {
    MPI_Comm_rank(comm, &rank_);
    MPI_Comm_size(comm, &size_);
    comm_ = comm;
    x_ = x;
    n_ = n;
    tag_ = 2 * (sequence % 10000);  // MPI promises 32767
    stage_ = Stage::kScatter;
    const Range own = PartOf(rank_);
    others_.resize(static_cast<size_t>(own.size() * size_));
    for (int other = 0; other < size_; ++other) {
      if (other == rank_) continue;
      Receive(others_.data() + other * own.size(), own.size(), other);
      Send(PartOf(other), other);
    }
  }

  bool under_way() const { return stage_ != Stage::kDone; }

  void Advance() {
    if (stage_ == Stage::kDone) return;
    int complete = 0;
    MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &complete, MPI_STATUSES_IGNORE);
    if (!complete) return;
    requests_.clear();
    if (stage_ == Stage::kGather) {
      stage_ = Stage::kDone;
      return;
    }
    SumOwnPart();
    stage_ = Stage::kGather;
    ++tag_;
    for (int other = 0; other < size_; ++other) {
      if (other == rank_) continue;
      const Range part = PartOf(other);
      Receive(x_ + part.begin, part.size(), other);
      Send(PartOf(rank_), other);
    }
  }

 private:
  enum class Stage { kScatter, kGather, kDone };

  Range PartOf(int rank) const { return {n_ * rank / size_, n_ * (rank + 1) / size_}; }

  void Receive(float* to, int64_t n, int from) {
    MPI_Irecv(to, static_cast<int>(n), MPI_FLOAT, from, tag_, comm_, &requests_.emplace_back());
  }
  void Send(const Range& part, int to) {
    MPI_Isend(x_ + part.begin, static_cast<int>(part.size()), MPI_FLOAT, to, tag_, comm_, &requests_.emplace_back());
  }

  void SumOwnPart() {
    const Range own = PartOf(rank_);
    std::array<float, 1024> sums;  // stays in L1
    for (int64_t begin = 0; begin < own.size(); begin += 1024) {
      const int64_t count = std::min<int64_t>(1024, own.size() - begin);
      sums.fill(0);
      for (int rank = 0; rank < size_; ++rank) {
        const float* values = (rank == rank_ ? x_ + own.begin : others_.data() + rank * own.size()) + begin;
        for (int64_t i = 0; i < count; ++i) sums[static_cast<size_t>(i)] += values[i];
      }
      std::copy_n(sums.begin(), count, x_ + own.begin + begin);
    }
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, tag_ = 0;
  float* x_ = nullptr;
  int64_t n_ = 0;
  Stage stage_ = Stage::kDone;
  std::vector<float> others_;  // (size, own part)
  std::vector<MPI_Request> requests_;
};

// MPI is used by one thread at a time, under `mutex_`: the caller's, and the one that polls.
class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator() {
    int provided = MPI_THREAD_SINGLE;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);  // ends the job itself where it fails
    CHECK_GE(provided, MPI_THREAD_SERIALIZED);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    // Sums are started whenever there is room for them, which is not at the same place of every process's other calls.
    MPI_Comm_dup(MPI_COMM_WORLD, &sums_comm_);
    poller_ = std::thread([this] { Poll(); });
  }

  ~MpiCommunicator() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    wake_.notify_one();
    poller_.join();
    MPI_Comm_free(&sums_comm_);
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void AllGather(const void* mine, size_t bytes, void* all) override {
    CHECK_LE(bytes, size_t{INT_MAX});
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool is_in_place = mine == static_cast<const char*>(all) + static_cast<size_t>(rank_) * bytes;
    const int count = static_cast<int>(bytes);
    MPI_Request request;
    MPI_Iallgather(is_in_place ? MPI_IN_PLACE : mine, count, MPI_BYTE, all, count, MPI_BYTE, MPI_COMM_WORLD, &request);
    Wait(request);
  }

  void AllReduceSum(float* x, int64_t n) override {
    StartAllReduceSum(x, n);
    WaitAll();
  }

  void StartAllReduceSum(float* x, int64_t n) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (int64_t begin = 0; begin < n; begin += kPieceFloats) {
        pending_.push_back({x + begin, std::min(kPieceFloats, n - begin)});
      }
      AdvanceAll();
    }
    wake_.notify_one();
  }

  void WaitAll() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Patience patience; AdvanceAll();) patience.Pause();
  }

  void Broadcast(void* bytes, size_t size, int root) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    char* p = static_cast<char*>(bytes);
    while (size > 0) {
      const size_t count = std::min(size, size_t{1} << 30);
      MPI_Request request;
      MPI_Ibcast(p, static_cast<int>(count), MPI_BYTE, root, MPI_COMM_WORLD, &request);
      Wait(request);
      p += count;
      size -= count;
    }
  }

  void Barrier() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    MPI_Request request;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    Wait(request);
  }

  void EndJob(int exit_code) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::fflush(nullptr);  // the end that follows is a sudden one
    MPI_Abort(MPI_COMM_WORLD, exit_code);
  }

 private:
  struct Piece {
    float* x;
    int64_t n;
  };

  // Moves every sum that can move; false when none is left. REQUIRES: the lock.
  bool AdvanceAll() {
    bool any = false;
    for (PieceSum& sum : under_way_) {
      sum.Advance();
      if (!sum.under_way() && !pending_.empty()) {
        sum.Start(sums_comm_, pending_.front().x, pending_.front().n, sequence_++);
        pending_.pop_front();
      }
      any |= sum.under_way();
    }
    return any;
  }

  // REQUIRES: the lock.
  void Wait(MPI_Request request) {
    for (Patience patience;; patience.Pause()) {
      int complete = 0;
      MPI_Test(&request, &complete, MPI_STATUS_IGNORE);
      if (complete) return;
      AdvanceAll();
    }
  }

  void Poll() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!ending_) {
      if (!AdvanceAll()) {
        wake_.wait(lock);
        continue;
      }
      lock.unlock();
      std::this_thread::sleep_for(kPollInterval);
      lock.lock();
    }
  }

  int rank_ = 0, size_ = 1;
  MPI_Comm sums_comm_ = MPI_COMM_NULL;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Piece> pending_;
  std::array<PieceSum, kPiecesUnderWay> under_way_;
  int sequence_ = 0;
  bool ending_ = false;
  std::thread poller_;  // last: it uses the rest
};

}  // namespace
}  // namespace diptych::train

extern "C" __attribute__((visibility("default"))) diptych::train::Communicator* DiptychMakeMpiCommunicator() {
  return new diptych::train::MpiCommunicator();
}
