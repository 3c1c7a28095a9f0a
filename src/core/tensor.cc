#include "core/tensor.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace diptych {

size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64: return 8;
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16: return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool: return 1;
  }
  CHECK(false) << "unknown dtype";
  return 0;
}

const char* NameOf(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "fp32";
    case DType::kF16: return "fp16";
    case DType::kBF16: return "bf16";
    case DType::kF64: return "fp64";
    case DType::kI8: return "int8";
    case DType::kU8: return "uint8";
    case DType::kI16: return "int16";
    case DType::kI32: return "int32";
    case DType::kI64: return "int64";
    case DType::kBool: return "bool";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& os, DType dtype) {
  return os << NameOf(dtype);
}

Shape::Shape(std::initializer_list<int64_t> dims) : Shape(dims.begin(), static_cast<int>(dims.size())) {}

Shape::Shape(const int64_t* dims, int rank) : rank_(rank) {
  CHECK_LE(rank, kMaxRank);
  for (int i = 0; i < rank; ++i) {
    CHECK_GE(dims[i], 0);
    dims_[i] = dims[i];
  }
}

int64_t Shape::operator[](int i) const {
  if (i < 0) i += rank_;
  CHECK(i >= 0 && i < rank_) << " dimension " << i << " of " << ToString();
  return dims_[i];
}

int64_t Shape::NumElements() const {
  int64_t n = 1;
  for (int i = 0; i < rank_; ++i) CHECK(!__builtin_mul_overflow(n, dims_[i], &n)) << " " << ToString();
  return n;
}

std::string Shape::ToString() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(dims_[i]);
  return text + ")";
}

bool operator==(const Shape& a, const Shape& b) {
  return a.rank_ == b.rank_ && a.dims_ == b.dims_;
}

std::ostream& operator<<(std::ostream& os, const Shape& shape) {
  return os << shape.ToString();
}

size_t TensorView::SizeBytes() const {
  size_t bytes = 0;
  CHECK(!__builtin_mul_overflow(static_cast<size_t>(NumElements()), SizeOf(dtype_), &bytes)) << " " << shape_;
  return bytes;
}

void Tensor::Free::operator()(void* p) const {
  std::free(p);
}

Tensor Tensor::Uninitialized(DType dtype, Shape shape) {
  // Weights fill hundreds of megabytes: in small pages a quarter of a cold start goes to page faults.
  constexpr size_t kCacheLine = 64, kHugePage = size_t{2} << 20, kLarge = size_t{4} << 20;
  const size_t bytes = TensorView(nullptr, dtype, shape).SizeBytes();
  const size_t alignment = bytes >= kLarge ? kHugePage : kCacheLine;
  const size_t padded = (bytes + kCacheLine) / kCacheLine * kCacheLine;  // not 0: an empty tensor still has an address
  void* data = nullptr;
  CHECK(::posix_memalign(&data, alignment, padded) == 0) << " out of memory: " << padded << " bytes for " << shape;
  if (bytes >= kLarge) ::madvise(data, padded, MADV_HUGEPAGE);  // only advice: elsewhere the pages stay small
  Tensor tensor;
  tensor.storage_.reset(data);
  tensor.view_ = MutableTensorView(data, dtype, shape);
  return tensor;
}

Tensor::Tensor(DType dtype, Shape shape) : Tensor(Uninitialized(dtype, shape)) {
  std::memset(view_.mutable_raw(), 0, view_.SizeBytes());
}

}  // namespace diptych
