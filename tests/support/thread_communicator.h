// A data-parallel job inside one process: a thread for each rank.
#ifndef DIPTYCH_TESTS_SUPPORT_THREAD_COMMUNICATOR_H_
#define DIPTYCH_TESTS_SUPPORT_THREAD_COMMUNICATOR_H_

#include <barrier>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "train/communicator.h"

namespace diptych::testing_support {

/// Runs f on `size` threads, each with its own rank's communicator, and returns when all have ended.
inline void RunRanks(int size, const std::function<void(train::Communicator&)>& f) {
  struct Job {
    explicit Job(int size) : size(size), barrier(size), given(static_cast<size_t>(size)) {}
    int size;
    std::barrier<> barrier;
    std::vector<const void*> given;
  };

  class Rank : public train::Communicator {
   public:
    Rank(Job& job, int rank) : job_(job), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return job_.size; }
    void AllGather(const void* mine, size_t bytes, void* all) override {
      const std::vector<char> copy(static_cast<const char*>(mine), static_cast<const char*>(mine) + bytes);
      Show(copy.data());
      for (size_t i = 0; i < job_.given.size(); ++i) {
        if (bytes > 0) std::memcpy(static_cast<char*>(all) + i * bytes, job_.given[i], bytes);
      }
      Barrier();
    }
    void AllReduceSum(float* x, int64_t n) override {
      Show(x);
      std::vector<float> sum(static_cast<size_t>(n));
      for (const void* given : job_.given) {
        for (int64_t i = 0; i < n; ++i) sum[static_cast<size_t>(i)] += static_cast<const float*>(given)[i];
      }
      Barrier();
      std::copy(sum.begin(), sum.end(), x);
    }
    void StartAllReduceSum(float* x, int64_t n) override { AllReduceSum(x, n); }
    void WaitAll() override {}
    void Broadcast(void* bytes, size_t size, int root) override {
      Show(bytes);
      if (rank_ != root) std::memcpy(bytes, job_.given[static_cast<size_t>(root)], size);
      Barrier();
    }
    void Barrier() override { job_.barrier.arrive_and_wait(); }
    void EndJob(int) override {}

   private:
    void Show(const void* given) {
      job_.given[static_cast<size_t>(rank_)] = given;
      Barrier();
    }
    Job& job_;
    int rank_;
  };

  Job job(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&job, &f, rank] {
      Rank communicator(job, rank);
      f(communicator);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace diptych::testing_support

#endif  // DIPTYCH_TESTS_SUPPORT_THREAD_COMMUNICATOR_H_
