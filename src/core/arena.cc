#include "core/arena.h"

#include <algorithm>

namespace diptych {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kFirstBlock = size_t{1} << 20;

Tensor NewBlock(size_t bytes) { return Tensor(DType::kU8, {static_cast<int64_t>(bytes)}); }

}  // namespace

void* Arena::AllocateBytes(size_t bytes) {
  bytes = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  while (block_ < blocks_.size() && offset_ + bytes > blocks_[block_].view().SizeBytes()) {
    ++block_;
    offset_ = 0;
  }
  if (block_ == blocks_.size()) {
    blocks_.push_back(NewBlock(std::max({bytes, kFirstBlock, capacity()})));  // doubling: few blocks while growing
    offset_ = 0;
  }
  void* result = blocks_[block_].mutable_data<uint8_t>() + offset_;
  offset_ += bytes;
  used_ += bytes;
  high_water_ = std::max(high_water_, used_);
  return result;
}

size_t Arena::capacity() const {
  size_t total = 0;
  for (const Tensor& block : blocks_) total += block.view().SizeBytes();
  return total;
}

Arena::Scope::~Scope() {
  arena_.used_ = used_;
  arena_.block_ = block_;
  arena_.offset_ = offset_;
  if (--arena_.depth_ == 0 && arena_.blocks_.size() > 1) {
    arena_.blocks_.clear();
    arena_.blocks_.push_back(NewBlock(arena_.high_water_));
    arena_.block_ = 0;
    arena_.offset_ = 0;
  }
}

}  // namespace diptych
