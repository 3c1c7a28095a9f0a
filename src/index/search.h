// The stored vectors nearest to a query: every one of them is looked at.
#ifndef DIPTYCH_INDEX_SEARCH_H_
#define DIPTYCH_INDEX_SEARCH_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/context.h"
#include "index/sketch.h"
#include "index/store.h"
#include "index/vector_file.h"

namespace diptych {

struct Neighbor {
  int64_t slot = -1;
  float score = 0;  // inner product with the stored vector: the cosine where both are normalised
};

/// What is searched. `allowed` null: every slot.
struct SearchSpace {
  const VectorMapping* vectors = nullptr;
  const Sketch* sketch = nullptr;    // null: none, every vector is read
  const SlotSet* allowed = nullptr;  // pictures that are there and pass the filter
  int64_t allowed_count = 0;         // how many; not read where `allowed` is null
};

struct SearchLimits {
  int64_t k = 10;
  bool exact = false;  // reads every vector, whatever sketches there are
  /// Rows that the sketches hand on to be read whole: 0: 0.4 % of the rows, 4,096 to 32,768 of them, 64 k at least.
  int64_t candidates = 0;
};

/// The k best, best first, of equal ones the lower slot first: the same at any number of threads. Scores are exact in
/// every mode; without `exact` a neighbour can be missed (recall@10 of 0.999 and more: bench/RESULTS.md).
std::vector<Neighbor> FindNearest(Context& context, const SearchSpace& space, std::span<const float> query,
                                  const SearchLimits& limits);

/// About `n` slots, spread evenly over those that are allowed.
std::vector<uint32_t> SampleSlots(const SearchSpace& space, int64_t n);

/// Opens a store's sketches where there are some that are worth it.
std::optional<Sketch> OpenSketch(const Store& store);

/// Makes a store's sketches where they are missing or lack more than a tenth of the vectors. Small stores need none.
Status RefreshSketch(Context& context, const Store& store);

}  // namespace diptych

#endif  // DIPTYCH_INDEX_SEARCH_H_
