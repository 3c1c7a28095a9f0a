// Tensor owns memory, TensorView and MutableTensorView do not. Nothing else in the library holds numbers.
//
// The alphabet of every shape comment:
//   B batch            T tokens             D width              NH heads        HD head dim (D = NH*HD)
//   F mlp width        L layers             V vocabulary         E joint embedding
//   P patch            G grid (T = G*G+1)   S image side         C channels      H, W rows and columns of a map
//   M rows of a matrix product (packed tokens or pixels), N its outputs or stored rows, K its inputs or neighbours
//   Q queries
#ifndef DIPTYCH_CORE_TENSOR_H_
#define DIPTYCH_CORE_TENSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "core/check.h"

namespace diptych {

enum class DType : uint8_t { kF32, kF16, kBF16, kF64, kI8, kU8, kI16, kI32, kI64, kBool };

size_t SizeOf(DType dtype);       // bytes of one element
const char* NameOf(DType dtype);  // "fp32", "fp16", ...
std::ostream& operator<<(std::ostream& os, DType dtype);

/// The DType of a C++ type. The two 16-bit floats have none: they are read through core/half.h.
template <class T>
constexpr DType DTypeOf() {
  if constexpr (std::is_same_v<T, float>) {
    return DType::kF32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DType::kF64;
  } else if constexpr (std::is_same_v<T, bool>) {
    return DType::kBool;
  } else if constexpr (std::is_same_v<T, int8_t>) {
    return DType::kI8;
  } else if constexpr (std::is_same_v<T, uint8_t>) {
    return DType::kU8;
  } else if constexpr (std::is_same_v<T, int16_t>) {
    return DType::kI16;
  } else if constexpr (std::is_same_v<T, int32_t>) {
    return DType::kI32;
  } else {
    static_assert(std::is_same_v<T, int64_t>, "no tensor has elements of this type");
    return DType::kI64;
  }
}

/// Where the bytes of a tensor are. Only kernels/ looks inside a tensor that is not on the host.
enum class Device : uint8_t { kHost };

/// Up to five dimensions, row-major, without allocation. Rank 0 is a scalar with one element.
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  Shape(const int64_t* dims, int rank);

  int rank() const { return rank_; }
  int64_t operator[](int i) const;  // negative i counts from the end
  int64_t NumElements() const;
  std::string ToString() const;  // "(2, 3)"

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};
std::ostream& operator<<(std::ostream& os, const Shape& shape);

/// Read-only view of a contiguous, row-major array. Copyable; the owner must outlive it.
class TensorView {
 public:
  TensorView() = default;
  TensorView(const void* data, DType dtype, Shape shape, Device device = Device::kHost)
      : data_(data), dtype_(dtype), device_(device), shape_(shape) {}

  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  const Shape& shape() const { return shape_; }
  int64_t NumElements() const { return shape_.NumElements(); }
  size_t SizeBytes() const;
  bool empty() const { return data_ == nullptr; }

  const void* raw() const {
    CHECK(device_ == Device::kHost);
    return data_;
  }
  template <class T>
  const T* data() const {
    CHECK_EQ(dtype_, DTypeOf<T>());
    return static_cast<const T*>(raw());
  }

 protected:
  const void* data_ = nullptr;
  DType dtype_ = DType::kF32;
  Device device_ = Device::kHost;
  Shape shape_;
};

/// The same with permission to write.
class MutableTensorView : public TensorView {
 public:
  MutableTensorView() = default;
  MutableTensorView(void* data, DType dtype, Shape shape, Device device = Device::kHost)
      : TensorView(data, dtype, shape, device) {}

  void* mutable_raw() const { return const_cast<void*>(raw()); }
  template <class T>
  T* mutable_data() const {
    return const_cast<T*>(TensorView::data<T>());
  }
};

/// Owns 64-byte aligned memory, zero-filled. Move-only; what was moved from is empty.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);
  /// Without the zeros, for what is written whole before it is read: its pages are then touched once, not twice.
  static Tensor Uninitialized(DType dtype, Shape shape);
  Tensor(Tensor&& other) noexcept
      : storage_(std::move(other.storage_)), view_(std::exchange(other.view_, MutableTensorView())) {}
  Tensor& operator=(Tensor&& other) noexcept {
    storage_ = std::move(other.storage_);
    view_ = std::exchange(other.view_, MutableTensorView());
    return *this;
  }

  DType dtype() const { return view_.dtype(); }
  const Shape& shape() const { return view_.shape(); }
  bool empty() const { return view_.empty(); }

  TensorView view() const { return view_; }
  MutableTensorView mutable_view() { return view_; }
  operator TensorView() const { return view_; }  // NOLINT: a view of an owner is always safe to read
  template <class T>
  const T* data() const {
    return view_.data<T>();
  }
  template <class T>
  T* mutable_data() {
    return view_.mutable_data<T>();
  }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, Free> storage_;
  MutableTensorView view_;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_TENSOR_H_
