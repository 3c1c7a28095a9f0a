#include "core/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace diptych {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFirstBlock = size_t{1} << 20;
constexpr size_t kMaxBytes = size_t{1} << 46;  // far above any machine: a size that overflowed ends up above it

}  // namespace

// Not a Tensor: those are zero-filled, and pages that are never touched should never become resident. Large blocks are
// in huge pages, for matrix products walk through many rows at once.
Arena::Block::Block(size_t bytes) : data(nullptr, &std::free), size(bytes) {
  constexpr size_t kHugePage = size_t{2} << 20, kLarge = size_t{4} << 20;
  void* memory = nullptr;
  CHECK(::posix_memalign(&memory, bytes >= kLarge ? kHugePage : kAlignment, bytes) == 0)
      << " out of memory: " << bytes << " bytes of scratch";
  if (bytes >= kLarge) ::madvise(memory, bytes, MADV_HUGEPAGE);  // only advice: elsewhere the pages stay small
  data.reset(static_cast<std::byte*>(memory));
}

Arena::Arena(Arena&& other) noexcept {
  *this = std::move(other);
}

Arena& Arena::operator=(Arena&& other) noexcept {
  CHECK_EQ(depth_, 0);
  CHECK_EQ(other.depth_, 0);  // its scopes would give back to the wrong arena
  blocks_ = std::exchange(other.blocks_, {});
  high_water_ = std::exchange(other.high_water_, 0);
  block_ = std::exchange(other.block_, 0);
  offset_ = std::exchange(other.offset_, 0);
  used_ = std::exchange(other.used_, 0);
  return *this;
}

void* Arena::AllocateBytes(size_t bytes) {
  CHECK_LE(bytes, kMaxBytes);
  bytes = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  while (block_ < blocks_.size() && offset_ + bytes > blocks_[block_].size) {
    ++block_;
    offset_ = 0;
  }
  if (block_ == blocks_.size()) blocks_.emplace_back(std::max({bytes, kFirstBlock, capacity()}));  // few blocks
  void* result = blocks_[block_].data.get() + offset_;
  offset_ += bytes;
  used_ += bytes;
  high_water_ = std::max(high_water_, used_);
  return result;
}

size_t Arena::capacity() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.size;
  return total;
}

Arena::Scope::~Scope() {
  arena_.used_ = used_;
  arena_.block_ = block_;
  arena_.offset_ = offset_;
  if (--arena_.depth_ > 0 || arena_.blocks_.size() <= 1 || used_ > 0) return;
  arena_.blocks_.clear();  // before the new one: both at once would be the peak of the process
  arena_.blocks_.emplace_back(arena_.high_water_);
  arena_.block_ = 0;
}

}  // namespace diptych
