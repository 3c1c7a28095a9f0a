#include "core/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace diptych {
namespace {

TEST(Arena, AllocationsAreAlignedAndDistinct) {
  Arena arena;
  const Arena::Scope scope(arena);
  std::vector<std::pair<uint8_t*, size_t>> blocks;
  for (const size_t size : {0, 1, 63, 64, 65, 1000, 2'000'000, 5}) {
    uint8_t* block = arena.Allocate<uint8_t>(static_cast<int64_t>(size));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
    std::memset(block, static_cast<int>(blocks.size()), size);
    blocks.emplace_back(block, size);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    for (size_t k = 0; k < blocks[i].second; ++k) ASSERT_EQ(blocks[i].first[k], i);
  }
}

// One pass of a batch shape: more than the first block holds, with nested scratch.
void Pass(Arena& arena, int64_t floats) {
  const Arena::Scope outer(arena);
  for (int layer = 0; layer < 4; ++layer) {
    arena.Allocate<float>(floats / 8);
    const Arena::Scope inner(arena);
    arena.Allocate<float>(floats);
  }
}

TEST(Arena, ASecondPassOfTheSameShapeAllocatesNothing) {
  Arena arena;
  Pass(arena, 1'000'000);
  const size_t capacity = arena.capacity();
  EXPECT_EQ(capacity, arena.high_water());    // the blocks became one, of the size that was needed
  EXPECT_EQ(arena.high_water(), 6'000'128u);  // each of the four kept is rounded up to 64 bytes
  Pass(arena, 1'000'000);
  Pass(arena, 300'000);
  EXPECT_EQ(arena.capacity(), capacity);
}

TEST(Arena, AScopeGivesItsMemoryBack) {
  Arena arena;
  const Arena::Scope outer(arena);
  void* first;
  {
    const Arena::Scope inner(arena);
    first = arena.AllocateBytes(100);
  }
  EXPECT_EQ(arena.AllocateBytes(100), first);
}

TEST(Arena, MemoryFromOutsideAnyScopeOutlivesScopes) {
  Arena arena;
  int32_t* kept = arena.Allocate<int32_t>(4);
  kept[3] = 77;
  Pass(arena, 1'000'000);
  EXPECT_EQ(kept[3], 77);
  EXPECT_NE(arena.Allocate<int32_t>(4), kept);
}

TEST(Arena, MovedFromCanBeUsedAgain) {
  Arena a;
  Pass(a, 1'000'000);
  const size_t capacity = a.capacity();
  Arena b(std::move(a));
  EXPECT_EQ(b.capacity(), capacity);
  EXPECT_EQ(a.capacity(), 0u);  // NOLINT: the state after the move is what is tested
  Pass(a, 100'000);
  EXPECT_GT(a.capacity(), 0u);
}

TEST(ArenaDeathTest, RefusesSizesThatOverflow) {
  Arena arena;
  EXPECT_DEATH(arena.Allocate<float>(-1), "count -1");
  EXPECT_DEATH(arena.Allocate<double>(std::numeric_limits<int64_t>::max()), "CHECK failed");
}

}  // namespace
}  // namespace diptych
