#include "core/check.h"
#include "kernels/attention/attention.h"

namespace diptych::kernels {

bool HasBrainAttention() {
  return false;
}

void Attention(Context&, const BrainAttentionInput&, const AttentionShape&, uint16_t*) {
  CHECK(false) << " no product of tiles on this processor";
}

}  // namespace diptych::kernels
