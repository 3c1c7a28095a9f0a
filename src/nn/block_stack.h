// The training passes of a tower's blocks, one after the other.
#ifndef DIPTYCH_NN_BLOCK_STACK_H_
#define DIPTYCH_NN_BLOCK_STACK_H_

#include <span>
#include <vector>

#include "core/context.h"
#include "nn/block.h"
#include "nn/tower_cache.h"

namespace diptych::nn {

/// Reused from step to step. What it points to lies in the arena of the pass's context.
struct BlockStackCache {
  CacheOptions options;
  PassRows rows;                   // rows.pooled belongs to the last block
  std::vector<const float*> x;     // the input of each block, (M, D)
  std::vector<BlockCache> blocks;  // empty where each block is computed again
};

/// x (M, D) -> y (Q, D), the output of the last block, in the arena. The last block computes rows.pooled alone, where
/// that is not empty. Cache null: nothing is kept and x is overwritten.
/// What is kept, y among it, is allocated in the caller's scope, and `rows` must live as long.
float* ForwardBlocks(Context& context, std::span<const Block> blocks, const PassRows& rows, float* x,
                     BlockStackCache* cache);

bool AnyTrains(std::span<const Block> blocks);

struct BlockStackGradients {
  const float* dy = nullptr;  // (Q, D)
  float* dx = nullptr;        // (M, D), scratch for what passes between blocks; may be dy where nothing is pooled
  bool dx_wanted = false;     // something below the blocks trains
};
/// Stops above the lowest block in which a parameter trains, unless dx is wanted. Block k is group k + 1 of `done`,
/// which may be empty and is called for every block.
void BackwardBlocks(Context& context, std::span<Block> blocks, const BlockStackCache& cache,
                    const BlockStackGradients& gradients, const GroupDone& done);

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_BLOCK_STACK_H_
