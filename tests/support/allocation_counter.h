// Counts every operator new of the process but those that oneDNN calls (its execution makes a small table of arguments
// each time). Defines the global operators: include it in one file of a test program only.
#ifndef DIPTYCH_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
#define DIPTYCH_TESTS_SUPPORT_ALLOCATION_COUNTER_H_

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/context.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<int64_t> count{0};

const void* LibraryOf(const void* address) {
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

void* CountedAllocation(size_t bytes, const void* caller) {
  if (counting) {
    static const void* const library = LibraryOf(dlsym(RTLD_DEFAULT, "dnnl_version"));
    if (LibraryOf(caller) != library) ++count;
  }
  void* memory = std::malloc(bytes);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(size_t bytes) {
  return CountedAllocation(bytes, __builtin_return_address(0));
}
void* operator new[](size_t bytes) {
  return CountedAllocation(bytes, __builtin_return_address(0));
}
// All forms, since what a sanitizer allocates in one that is left out must not come back to std::free.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return CountedAllocation(bytes, __builtin_return_address(0));
}
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return CountedAllocation(bytes, __builtin_return_address(0));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}

namespace diptych::testing_support {

/// Allocations of the third of three equal calls. The arena's blocks are not operator new; its capacity must stay.
template <class F>
int64_t AllocationsOf(Context& context, const F& f) {
  f();
  f();
  const size_t capacity = context.arena().capacity();
  count = 0;
  counting = true;
  f();
  counting = false;
  EXPECT_EQ(context.arena().capacity(), capacity);
  return count;
}

}  // namespace diptych::testing_support

#endif  // DIPTYCH_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
