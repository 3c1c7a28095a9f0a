// The activation functions of CLIP's families.
#ifndef DIPTYCH_KERNELS_ACTIVATION_H_
#define DIPTYCH_KERNELS_ACTIVATION_H_

#include <cstdint>

#include "core/context.h"

namespace diptych::kernels {

enum class Activation : uint8_t {
  kNone,
  kRelu,
  kRelu6,      // min(max(x, 0), 6)
  kQuickGelu,  // x * sigmoid(1.702 x), OpenAI's
  kGelu,       // x * (1 + erf(x / sqrt(2))) / 2, exact
  kGeluTanh,   // its tanh approximation, torch's approximate="tanh"
};

/// In place over n values. Error against double precision: at most 4 ulp or 1e-6 absolute (docs/numerics.md).
void Activate(Context& context, Activation activation, float* x, int64_t n);

/// y = activation(x) over n values, x kept.
void Activate(Context& context, Activation activation, const float* x, int64_t n, float* y);

/// dx = dy * activation'(x) over n values; x is what went into the activation. dx may be dy.
void ActivateBackward(Context& context, Activation activation, const float* x, const float* dy, int64_t n, float* dx);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ACTIVATION_H_
