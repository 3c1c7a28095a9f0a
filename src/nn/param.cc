#include "nn/param.h"

#include <algorithm>
#include <utility>

#include "core/file.h"
#include "kernels/convert.h"

namespace diptych::nn {

void Param::Bind(std::vector<SharedView> parts) {
  int64_t elements = 0;
  for (const SharedView& part : parts) elements += part.view.NumElements();
  CHECK_EQ(elements, shape_.NumElements()) << shape_;
  parts_ = std::move(parts);
  owned_ = nullptr;
  ++version_;
}

SharedView Param::value() const {
  CHECK_EQ(parts_.size(), size_t{1}) << " parts of a parameter of shape " << shape_;
  const SharedView& part = parts_[0];
  return {TensorView(part.view.raw(), part.view.dtype(), shape_), part.owner};
}

MutableTensorView Param::MutableValue() {
  if (owned_ == nullptr) {
    auto tensor = std::make_shared<Tensor>(DType::kF32, shape_);
    float* y = tensor->mutable_data<float>();
    for (const SharedView& part : parts_) {
      kernels::ToFloat(part.view, y);
      y += part.view.NumElements();
    }
    owned_ = tensor.get();
    parts_ = {{tensor->view(), tensor}};
  }
  ++version_;
  return owned_->mutable_view();
}

std::vector<float> Param::ToFloats() const {
  CHECK(has_value()) << " a parameter of shape " << shape_ << " was never loaded";
  std::vector<float> floats(static_cast<size_t>(shape_.NumElements()));
  float* y = floats.data();
  for (const SharedView& part : parts_) {
    kernels::ToFloat(part.view, y);
    y += part.view.NumElements();
  }
  return floats;
}

float Param::Scalar() const {
  CHECK_EQ(shape_.NumElements(), 1) << shape_;
  return ToFloats()[0];
}

void Param::Train() {
  MutableValue();
  if (grad_.empty()) grad_ = Tensor(DType::kF32, shape_);
}

const float* Param::floats() const {
  CHECK(owned_ != nullptr) << " a parameter of shape " << shape_ << " was not prepared for training";
  return owned_->data<float>();
}

float* Param::grad() {
  CHECK(trains()) << " a parameter of shape " << shape_;
  return grad_.mutable_data<float>();
}

void Param::ZeroGrad() {
  if (trains()) std::fill_n(grad(), shape_.NumElements(), 0.0f);
}

void Param::Consume(const std::function<void(TensorView)>& f) const {
  if (parts_.size() == 1) {
    f(value().view);
  } else {
    const std::vector<float> floats = ToFloats();
    f(TensorView(floats.data(), DType::kF32, shape_));
  }
  if (owned_ != nullptr) return;
  for (const SharedView& part : parts_) ReleaseMappedPages(part.view.raw(), part.view.SizeBytes());
}

}  // namespace diptych::nn
