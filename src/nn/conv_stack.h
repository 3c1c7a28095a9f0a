// The training passes of the blocks of a convolutional tower, one after the other, by stages.
#ifndef DIPTYCH_NN_CONV_STACK_H_
#define DIPTYCH_NN_CONV_STACK_H_

#include <vector>

#include "core/context.h"
#include "nn/conv_norm.h"
#include "nn/tower_cache.h"

namespace diptych::nn {

/// A Block has
///   a type Cache; Cache Allocate(Arena&, MapSize in) const; MapSize OutputSize(MapSize in) const; bool Trains() const;
///   bool in_place() const: y has x's shape, y may be x in the forward and dx must be dy in the backward pass;
///   void Forward(Context&, const Cache&, const float* x, Statistics, float* y);
///   void Backward(Context&, const Cache&, const BlockMaps&).
template <class Block>
using ConvStages = std::vector<std::vector<Block>>;

struct BlockMaps {
  const float* x;  // what went in
  const float* y;  // what came out
  float* dy;       // overwritten
  float* dx;       // null: not wanted
};

/// Reused from step to step. What it points to lies in the arena of the pass's context.
template <class Block>
struct ConvStackCache {
  CacheOptions options;
  std::vector<float*> maps;                   // the input of each block, and the last one's output
  std::vector<MapSize> sizes;                 // theirs
  std::vector<typename Block::Cache> blocks;  // empty where each block is computed again
};

template <class Block>
bool StageTrains(const std::vector<Block>& stage) {
  for (const Block& block : stage) {
    if (block.Trains()) return true;
  }
  return false;
}

/// x of `size` -> the output of the last block, in the arena; `size` becomes that of the output. Cache null: nothing is
/// kept, x is overwritten, and running statistics stay. What is kept is allocated in the caller's scope.
template <class Block>
float* ForwardStages(Context& context, ConvStages<Block>& stages, float* x, MapSize& size,
                     ConvStackCache<Block>* cache) {
  Arena& arena = context.arena();
  const Statistics statistics = cache != nullptr ? Statistics::kMove : Statistics::kStay;
  if (cache != nullptr) {
    cache->maps.assign(1, x);
    cache->sizes.assign(1, size);
    cache->blocks.clear();
  }
  for (std::vector<Block>& stage : stages) {
    for (Block& block : stage) {
      const MapSize out = block.OutputSize(size);
      float* y = cache == nullptr && block.in_place() ? x : arena.Allocate<float>(out.NumElements());
      if (cache != nullptr && !cache->options.recompute) {
        cache->blocks.push_back(block.Allocate(arena, size));
        block.Forward(context, cache->blocks.back(), x, statistics, y);
      } else {
        const Arena::Scope scope(arena);
        block.Forward(context, block.Allocate(arena, size), x, statistics, y);
      }
      x = y;
      size = out;
      if (cache == nullptr) continue;
      cache->maps.push_back(x);
      cache->sizes.push_back(size);
    }
  }
  return x;
}

struct ConvStackGradients {
  float* dy = nullptr;     // as the last block's output; overwritten
  bool dx_wanted = false;  // something below the stages trains
  int lowest = 0;          // the first stage that is computed
};
/// -> the gradient of the first block's input, in the arena; null where it is not wanted. Stage k is group k + 1 of
/// `done`, which may be empty and is called for every stage.
template <class Block>
float* BackwardStages(Context& context, ConvStages<Block>& stages, const ConvStackCache<Block>& cache,
                      const ConvStackGradients& gradients, const GroupDone& done) {
  Arena& arena = context.arena();
  float* dy = gradients.dy;
  size_t k = cache.maps.size() - 1;
  for (int stage = static_cast<int>(stages.size()) - 1; stage >= 0; --stage) {
    std::vector<Block>& blocks = stages[static_cast<size_t>(stage)];
    for (size_t i = blocks.size(); i-- > 0;) {
      --k;
      if (stage < gradients.lowest) continue;
      Block& block = blocks[i];
      const bool below = stage > gradients.lowest || i > 0 || gradients.dx_wanted;
      float* dx = !below ? nullptr : block.in_place() ? dy : arena.Allocate<float>(cache.sizes[k].NumElements());
      const Arena::Scope scope(arena);
      const BlockMaps maps{.x = cache.maps[k], .y = cache.maps[k + 1], .dy = dy, .dx = dx};
      if (cache.options.recompute) {
        const typename Block::Cache again = block.Allocate(arena, cache.sizes[k]);
        block.Forward(context, again, cache.maps[k], Statistics::kStay, cache.maps[k + 1]);
        block.Backward(context, again, maps);
      } else {
        block.Backward(context, cache.blocks[k], maps);
      }
      dy = dx;
    }
    if (done) done(stage + 1);
  }
  return dy;
}

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_CONV_STACK_H_
