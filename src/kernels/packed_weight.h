// A weight in the layout of the fastest kernel of this CPU.
#ifndef DIPTYCH_KERNELS_PACKED_WEIGHT_H_
#define DIPTYCH_KERNELS_PACKED_WEIGHT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

namespace diptych::kernels {

/// The arithmetic of a plan's matrix products and convolutions.
enum class Precision : uint8_t { kF32 };

/// Opaque and immutable: layout, scales and the primitives built for it are known to kernels/ alone. Copies share the
/// same memory; any number of threads may use it at once.
class PackedWeight {
 public:
  struct Impl;

  PackedWeight() = default;
  explicit PackedWeight(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  bool empty() const { return impl_ == nullptr; }
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PACKED_WEIGHT_H_
