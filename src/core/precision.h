// The arithmetic of matrix products and convolutions.
#ifndef DIPTYCH_CORE_PRECISION_H_
#define DIPTYCH_CORE_PRECISION_H_

#include <cstdint>

namespace diptych {

enum class Precision : uint8_t {
  kF32,
  kBF16,  // operands rounded to bf16, sums in fp32: training's mixed precision, with fp32 master weights
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_PRECISION_H_
