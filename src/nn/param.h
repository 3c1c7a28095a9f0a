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

/// A view and what keeps its bytes alive.
struct SharedView {
  TensorView view;
  std::shared_ptr<const void> owner;
};

/// Its shape is known from the configuration before any value is. The value is a view of a mapped checkpoint
/// (read-only, any float dtype), perhaps in several parts, or, once written to, an fp32 tensor of its own.
class Param {
 public:
  /// A buffer is stored and loaded like a weight, but no gradient reaches it (a batch norm's statistics).
  enum class Role : uint8_t { kWeight, kBuffer };

  Param() = default;
  explicit Param(Shape shape, Role role = Role::kWeight) : shape_(shape), role_(role) {}

  const Shape& shape() const { return shape_; }
  Role role() const { return role_; }
  bool has_value() const { return !parts_.empty(); }
  const std::vector<SharedView>& parts() const { return parts_; }
  /// Increases with every write; packed copies are keyed by it.
  uint64_t version() const { return version_; }

  /// Takes the value. Several parts follow each other along the first dimension (q, k and v of a container that keeps
  /// them apart). REQUIRES: together as many elements as shape(): a checkpoint may store a scalar as (1) or a table
  /// with leading ones, the module sees it in its own shape.
  void Bind(std::vector<SharedView> parts);

  /// The value where it lies. REQUIRES: one part.
  SharedView value() const;

  /// The value to write to: fp32, owned. A mapped value is copied first.
  MutableTensorView MutableValue();

  /// The value as fp32, row-major.
  std::vector<float> ToFloats() const;
  /// The value of a parameter with one element.
  float Scalar() const;

  /// Prepares for training: the value becomes fp32 in one piece, the gradient starts as zeros.
  void Train();
  /// A parameter that does not train keeps its value and has no gradient.
  void Freeze() { grad_ = Tensor(); }
  bool trains() const { return !grad_.empty(); }

  /// The value of a training pass. REQUIRES: fp32 in one piece, as after Train() or MutableValue().
  const float* floats() const;
  /// What the backward passes since ZeroGrad() added up, in shape(). REQUIRES: trains().
  float* grad();
  void ZeroGrad();

  /// Calls f(TensorView) with the value in one piece, converting only where it is in several, then gives the pages of a
  /// mapped value back to the system: what packs a weight needs it once.
  void Consume(const std::function<void(TensorView)>& f) const;

 private:
  Shape shape_;
  Role role_ = Role::kWeight;
  std::vector<SharedView> parts_;
  Tensor* owned_ = nullptr;  // the tensor behind parts_[0], once written to
  Tensor grad_;              // of shape_, or empty
  uint64_t version_ = 0;
};

/// Called with the canonical name (open_clip's) of every parameter of a module, in a fixed order.
using ParamVisitor = std::function<void(const std::string& name, Param& param)>;

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_PARAM_H_
