#include "nn/param.h"

#include <utility>

#include "core/file.h"
#include "kernels/convert.h"

namespace diptych::nn {

void Param::Bind(TensorView value, std::shared_ptr<const void> owner) {
  CHECK_EQ(value.NumElements(), shape_.NumElements()) << value.shape() << " bound to " << shape_;
  value_ = TensorView(value.raw(), value.dtype(), shape_);
  owner_ = std::move(owner);
  owned_ = Tensor();
  ++version_;
}

MutableTensorView Param::MutableValue() {
  if (owned_.empty()) {
    Tensor copy(DType::kF32, shape_);
    if (has_value()) kernels::ToFloat(value_, copy.mutable_data<float>());
    owned_ = std::move(copy);
    owner_.reset();
    value_ = owned_.view();
  }
  ++version_;
  return owned_.mutable_view();
}

std::vector<float> Param::ToFloats() const {
  std::vector<float> floats(static_cast<size_t>(shape_.NumElements()));
  kernels::ToFloat(value(), floats.data());
  return floats;
}

float Param::Scalar() const {
  CHECK_EQ(shape_.NumElements(), 1) << shape_;
  return ToFloats()[0];
}

void Param::ReleasePages() const {
  if (owner_ != nullptr) ReleaseMappedPages(value_.raw(), value_.SizeBytes());
}

}  // namespace diptych::nn
