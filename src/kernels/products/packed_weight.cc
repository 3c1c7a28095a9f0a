#include "kernels/products/packed_weight.h"

#include "kernels/convert.h"
#include "kernels/products/packed_weight_impl.h"

namespace diptych::kernels {

const float* AsFloats(TensorView w, Tensor& copy) {
  const bool aligned = reinterpret_cast<uintptr_t>(w.raw()) % alignof(float) == 0;
  if (w.dtype() == DType::kF32 && aligned) return w.data<float>();
  copy = Tensor::Uninitialized(DType::kF32, w.shape());
  ToFloat(w, copy.mutable_data<float>());
  return copy.data<float>();
}

}  // namespace diptych::kernels
