// The directions in which vectors vary most.
#ifndef DIPTYCH_INDEX_PRINCIPAL_H_
#define DIPTYCH_INDEX_PRINCIPAL_H_

#include <cstdint>
#include <vector>

#include "core/context.h"

namespace diptych {

struct PrincipalComponents {
  std::vector<float> mean;       // (E)
  std::vector<float> basis;      // (D, E), orthonormal rows, the one of largest variance first
  std::vector<float> deviation;  // (D), of the coordinates
};

/// Of rows (N, E), N >= 1; D <= E. By subspace iteration from a fixed start: the same result at any number of threads.
PrincipalComponents FindPrincipalComponents(Context& context, const std::vector<float>& rows, int64_t e, int64_t d);

}  // namespace diptych

#endif  // DIPTYCH_INDEX_PRINCIPAL_H_
