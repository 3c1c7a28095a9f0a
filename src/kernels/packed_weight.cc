#include "kernels/packed_weight.h"

#include <algorithm>

#include "kernels/convert.h"
#include "kernels/packed_weight_impl.h"

namespace diptych::kernels {

const float* AsFloats(TensorView w, Tensor& copy) {
  const bool aligned = reinterpret_cast<uintptr_t>(w.raw()) % alignof(float) == 0;
  if (w.dtype() == DType::kF32 && aligned) return w.data<float>();
  copy = Tensor(DType::kF32, w.shape());
  ToFloat(w, copy.mutable_data<float>());
  return copy.data<float>();
}

// The library's sum takes its addend from y: in place for the usual x += f(x), otherwise one copy first.
void RunPacked(Context& context, const PackedWeight::Impl& impl, PrimitiveKey key, const float* x,
               const Epilogue& epilogue, std::span<float> y) {
  key.threads = context.threads();
  key.bias = epilogue.bias != nullptr;
  key.residual = epilogue.residual != nullptr;
  key.activation = epilogue.activation;
  if (key.residual && epilogue.residual != y.data()) std::copy_n(epilogue.residual, y.size(), y.data());
  impl.primitives.Run(context, key, {x, epilogue.bias, y.data()});
}

}  // namespace diptych::kernels
