// A weight in the layout of the fastest kernel of this CPU.
#ifndef DIPTYCH_KERNELS_PRODUCTS_PACKED_WEIGHT_H_
#define DIPTYCH_KERNELS_PRODUCTS_PACKED_WEIGHT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/precision.h"

namespace diptych::kernels {

using diptych::Precision;

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

#endif  // DIPTYCH_KERNELS_PRODUCTS_PACKED_WEIGHT_H_
