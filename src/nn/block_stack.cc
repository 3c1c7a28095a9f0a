#include "nn/block_stack.h"

#include <algorithm>

namespace diptych::nn {
namespace {

PassRows RowsOf(const PassRows& rows, size_t block, size_t blocks) {
  if (block + 1 == blocks) return rows;
  return {.lengths = rows.lengths, .count = rows.count};
}

}  // namespace

float* ForwardBlocks(Context& context, std::span<const Block> blocks, const PassRows& rows, float* x,
                     BlockStackCache* cache) {
  Arena& arena = context.arena();
  const bool recompute = cache == nullptr || cache->options.recompute;
  if (cache != nullptr) {
    cache->rows = rows;
    cache->x.clear();
    cache->blocks.clear();
  }
  for (size_t k = 0; k < blocks.size(); ++k) {
    const PassRows block_rows = RowsOf(rows, k, blocks.size());
    const bool in_place = cache == nullptr && block_rows.pooled.empty();
    float* y = in_place ? x : arena.Allocate<float>(block_rows.Queries() * blocks[k].config.width);
    if (cache != nullptr) cache->x.push_back(x);
    if (recompute) {
      const Arena::Scope scope(arena);
      blocks[k].Forward(context, blocks[k].Allocate(arena, block_rows), x, y);
    } else {
      cache->blocks.push_back(blocks[k].Allocate(arena, block_rows));
      blocks[k].Forward(context, cache->blocks.back(), x, y);
    }
    x = y;
  }
  return x;
}

bool AnyTrains(std::span<const Block> blocks) {
  return std::any_of(blocks.begin(), blocks.end(), [](const Block& block) { return block.Trains(); });
}

void BackwardBlocks(Context& context, std::span<Block> blocks, const BlockStackCache& cache,
                    const BlockStackGradients& gradients, const GroupDone& done) {
  size_t lowest = 0;
  while (!gradients.dx_wanted && lowest < blocks.size() && !blocks[lowest].Trains()) ++lowest;
  const float* dy = gradients.dy;
  for (size_t k = blocks.size(); k-- > 0;) {
    if (k >= lowest) {
      const Arena::Scope scope(context.arena());
      BlockCache recomputed;
      if (cache.options.recompute) {
        recomputed = blocks[k].Allocate(context.arena(), RowsOf(cache.rows, k, blocks.size()));
        blocks[k].Forward(context, recomputed, cache.x[k], nullptr);
      }
      float* dx = k > lowest || gradients.dx_wanted ? gradients.dx : nullptr;
      blocks[k].Backward(context, cache.options.recompute ? recomputed : cache.blocks[k], cache.x[k], dy, dx);
      dy = dx;
    }
    if (done) done(static_cast<int>(k) + 1);
  }
}

}  // namespace diptych::nn
