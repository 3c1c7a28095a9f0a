// Scratch memory of a forward pass: grows while a batch shape is new, then serves the same shape without allocating.
#ifndef DIPTYCH_CORE_ARENA_H_
#define DIPTYCH_CORE_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/check.h"

namespace diptych {

/// A stack of bytes, 64-byte aligned. Not thread safe: each Context has one.
/// Allocations live until the Scope around them ends. When the outermost scope ends after more than one block was
/// needed, the blocks become one of the size that was needed: the next pass of that shape allocates nothing. (What was
/// allocated outside of any scope lives as long as the arena and keeps its blocks as they are.)
class Arena {
 public:
  Arena() = default;
  /// What was moved from is empty. REQUIRES: no Scope is open on either.
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;

  template <class T>
  T* Allocate(int64_t count) {
    size_t bytes = 0;
    CHECK(count >= 0 && !__builtin_mul_overflow(static_cast<size_t>(count), sizeof(T), &bytes)) << " count " << count;
    return static_cast<T*>(AllocateBytes(bytes));
  }
  /// Uninitialised; never null.
  void* AllocateBytes(size_t bytes);

  size_t capacity() const;  // bytes held from the system
  size_t high_water() const { return high_water_; }

  /// Everything allocated during its life is given back at its end. Scopes nest like a stack.
  class Scope {
   public:
    explicit Scope(Arena& arena) : arena_(arena), used_(arena.used_), block_(arena.block_), offset_(arena.offset_) {
      ++arena.depth_;
    }
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    size_t used_, block_, offset_;
  };

 private:
  struct Block {
    explicit Block(size_t bytes);
    std::unique_ptr<std::byte, void (*)(void*)> data;
    size_t size;
  };
  std::vector<Block> blocks_;
  size_t block_ = 0;       // index of the block in use
  size_t offset_ = 0;      // bytes used of it
  size_t used_ = 0;        // bytes in use over all blocks
  size_t high_water_ = 0;  // most that was ever in use
  int depth_ = 0;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_ARENA_H_
