#include "python/arrays.h"

#include "python/errors.h"

namespace diptych::python {
namespace {

template <class Array>
std::optional<Array> ArrayOf(nb::handle object) {
  if (!IsArray(object)) return std::nullopt;
  Array array;
  if (nb::try_cast(object, array, /*convert=*/false)) return array;
  // Strides, read-only memory, another library's layout: a contiguous copy, but never another dtype.
  const nb::object numpy = nb::module_::import_("numpy");
  const nb::object copy = numpy.attr("ascontiguousarray")(object);
  if (nb::try_cast(copy, array, /*convert=*/false)) return array;
  return std::nullopt;
}

}  // namespace

bool IsArray(nb::handle object) { return nb::hasattr(object, "dtype") && nb::hasattr(object, "shape"); }

std::string DTypeName(nb::handle array) { return Utf8(nb::str(nb::object(array.attr("dtype")))); }

std::optional<ByteArray> ByteArrayOf(nb::handle object) { return ArrayOf<ByteArray>(object); }
std::optional<FloatArray> FloatArrayOf(nb::handle object) { return ArrayOf<FloatArray>(object); }

}  // namespace diptych::python
