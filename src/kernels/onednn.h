// The seam to oneDNN: building primitives once, and running them from any thread without allocating. Private to
// kernels/.
#ifndef DIPTYCH_KERNELS_ONEDNN_H_
#define DIPTYCH_KERNELS_ONEDNN_H_

#include <compare>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/context.h"
#include "kernels/products/gemm.h"
#include "oneapi/dnnl/dnnl.hpp"

namespace diptych::kernels {

const dnnl::engine& Engine();

/// The calling thread's OpenMP team has this size while the object lives: oneDNN plans for it and runs with it.
class ScopedTeam {
 public:
  explicit ScopedTeam(int threads);
  ~ScopedTeam();
  ScopedTeam(const ScopedTeam&) = delete;
  ScopedTeam& operator=(const ScopedTeam&) = delete;

 private:
  int before_;
};

/// `y` receives `x` (both of the same dims) in y's layout, on the calling thread alone.
void Reorder(const dnnl::memory& x, const dnnl::memory& y);

/// The library's view of memory of ours. Made by its C interface: the C++ one allocates on our side.
class MemoryView {
 public:
  MemoryView(const dnnl::memory::desc& desc, const void* data) {
    CHECK_EQ(dnnl_memory_create(&memory_, desc.get(), Engine().get(), const_cast<void*>(data)), dnnl_success);
  }
  ~MemoryView() { dnnl_memory_destroy(memory_); }
  MemoryView(const MemoryView&) = delete;
  MemoryView& operator=(const MemoryView&) = delete;

  dnnl_memory_t get() const { return memory_; }

 private:
  dnnl_memory_t memory_ = nullptr;
};

/// Runs a primitive on the calling thread's stream.
void Execute(const dnnl::primitive& primitive, std::span<const dnnl_exec_arg_t> args);

/// Adds to what ImplementationsInUse() answers.
void RegisterImplementation(const char* name);

/// Runs f, which calls oneDNN; its exceptions are our bugs (or no memory), so they end the program with their message.
void CheckedDnnl(const std::function<void()>& f);

/// All that distinguishes two primitives of one weight. The M rows of a matrix product are b = 1, h = M, w = 1.
struct PrimitiveKey {
  int64_t b = 1, h = 1, w = 1;
  int threads = 1;
  bool bias = false;
  bool residual = false;
  Activation activation = Activation::kNone;  // fused

  friend auto operator<=>(const PrimitiveKey&, const PrimitiveKey&) = default;
};

/// Post-operations of a key, and scratch memory that the caller provides.
dnnl::primitive_attr AttributesOf(const PrimitiveKey& key);

/// What a primitive is built from; both convolutions and matrix products fit.
struct PrimitivePlan {
  dnnl::primitive_desc_base desc;
  std::function<dnnl::primitive()> make;
};

/// Plans the primitive of a key for weights in the given layout (or any layout).
using PlanPrimitive = std::function<PrimitivePlan(const PrimitiveKey&, const dnnl::memory::desc& weights)>;

/// A packed weight and the primitives that use it. Any number of threads may call Run.
class WeightedPrimitives {
 public:
  /// `plain` holds the weight in a plain layout; it is packed as the primitive of `nominal` likes it best.
  WeightedPrimitives(PlanPrimitive plan, const dnnl::memory& plain, const PrimitiveKey& nominal);

  /// `key` says the size of x; threads and epilogue are filled in here. The first call for a key builds its primitive;
  /// later ones allocate nothing of ours.
  void Run(Context& context, PrimitiveKey key, const float* x, const Epilogue& epilogue, std::span<float> y) const;

 private:
  // What one execution needs beside the primitive. Memory objects are not thread safe, so each concurrent run has its
  // own; an idle one is reused.
  struct Execution {
    dnnl::stream stream;
    dnnl::memory x, bias, y, scratch;
    std::vector<dnnl_exec_arg_t> args;
  };
  struct Entry {
    dnnl::primitive primitive;
    dnnl::memory weights;
    dnnl::memory::desc x, bias, y, scratch;
    std::vector<std::unique_ptr<Execution>> idle;
    size_t executions = 0;
  };

  void Build(const PrimitiveKey& key, Entry& entry) const;
  Entry& Acquire(const PrimitiveKey& key, std::unique_ptr<Execution>& execution) const;
  dnnl::memory WeightsFor(const PrimitiveKey& key, PrimitivePlan& plan) const;
  static std::unique_ptr<Execution> MakeExecution(const Entry& entry, bool has_bias);

  PlanPrimitive plan_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::list<dnnl::memory> packed_;
  mutable std::map<PrimitiveKey, Entry> entries_;
};

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ONEDNN_H_
