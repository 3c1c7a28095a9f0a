// Arrays in and out: numpy's, torch's and whoever else speaks DLPack or the buffer protocol, without copies where the
// layout allows.
#ifndef DIPTYCH_PYTHON_ARRAYS_H_
#define DIPTYCH_PYTHON_ARRAYS_H_

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace diptych::python {

namespace nb = nanobind;

using ByteArray = nb::ndarray<const uint8_t, nb::c_contig, nb::device::cpu>;
using FloatArray = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using IdArray = nb::ndarray<const int32_t, nb::c_contig, nb::device::cpu>;

/// A view of an array with that dtype, made contiguous if need be; nothing if it is no array or of another dtype.
std::optional<ByteArray> ByteArrayOf(nb::handle object);
std::optional<FloatArray> FloatArrayOf(nb::handle object);

/// Has a dtype and a shape.
bool IsArray(nb::handle object);
std::string DTypeName(nb::handle array);

/// A new numpy array that owns the values, without copying them.
template <class T>
nb::object NumpyOf(std::vector<T> values, std::initializer_list<size_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(kept->data(), shape, owner));
}

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_ARRAYS_H_
