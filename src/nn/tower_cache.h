// What the training passes of both towers share.
#ifndef DIPTYCH_NN_TOWER_CACHE_H_
#define DIPTYCH_NN_TOWER_CACHE_H_

#include <functional>

#include "core/check.h"

namespace diptych::nn {

struct CacheOptions {
  /// Each block keeps its input alone and is computed again when its backward pass comes: about a third more
  /// arithmetic, a fraction of the memory.
  bool recompute = false;
};

/// What a forward pass keeps for its backward pass. The numbers live in the arena of the pass's context, until the
/// caller's scope around both passes ends; the object itself is reused from step to step and allocates nothing then.
class TowerCache {
 public:
  virtual ~TowerCache() = default;
};

/// The cache of one's own kind. REQUIRES: the same tower made it.
template <class T>
T& CacheAs(TowerCache& cache) {
  T* own = dynamic_cast<T*>(&cache);
  CHECK(own != nullptr) << " a cache of another tower";
  return *own;
}

/// Called when the gradients of a tower's group of parameters are complete, from the last group to the first: what
/// several processes sum while the backward pass goes on.
using GroupDone = std::function<void(int group)>;

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_TOWER_CACHE_H_
