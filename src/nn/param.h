// A named weight of a module, as the checkpoint holds it.
#ifndef DIPTYCH_NN_PARAM_H_
#define DIPTYCH_NN_PARAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace diptych::nn {

/// Its shape is known from the configuration before any value is. The value is either a view of a mapped checkpoint
/// (read-only, any float dtype) or, once written to, an owned fp32 tensor.
class Param {
 public:
  Param() = default;
  explicit Param(Shape shape) : shape_(shape) {}

  const Shape& shape() const { return shape_; }
  bool has_value() const { return !value_.empty(); }
  const TensorView& value() const {
    CHECK(has_value()) << " parameter of shape " << shape_ << " was never loaded";
    return value_;
  }
  /// Increases with every write; packed copies are keyed by it.
  uint64_t version() const { return version_; }

  /// Takes a view; `owner` keeps its bytes alive. REQUIRES: as many elements as shape(): a checkpoint may store a
  /// scalar as (1) or a table with leading ones, the module sees it in its own shape.
  void Bind(TensorView value, std::shared_ptr<const void> owner);

  /// The value to write to: fp32, owned. A mapped value is copied first.
  MutableTensorView MutableValue();

  /// The value as fp32.
  std::vector<float> ToFloats() const;
  /// The value of a scalar parameter.
  float Scalar() const;

  /// Gives the pages of a mapped value back to the system: a plan has packed what it needs of them.
  void ReleasePages() const;

 private:
  Shape shape_;
  TensorView value_;
  std::shared_ptr<const void> owner_;  // of a mapped value
  Tensor owned_;
  uint64_t version_ = 0;
};

/// Called with the full checkpoint name of every parameter of a module, in a fixed order.
using ParamVisitor = std::function<void(const std::string& name, Param& param)>;

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_PARAM_H_
