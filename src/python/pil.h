// PIL's pictures on their way to the library: decoded by PIL, on the threads that compute.
#ifndef DIPTYCH_PYTHON_PIL_H_
#define DIPTYCH_PYTHON_PIL_H_

#include <nanobind/nanobind.h>

#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <unordered_set>

#include "diptych/picture.h"

namespace diptych::python {

namespace nb = nanobind;

bool IsPilPicture(nb::handle object);

/// Its pixels as they are now, in its mode; rare modes as RGB. Raises what PIL raises when it reads the rest of a file.
Picture PilPicture(const nb::object& picture);

/// What PIL raised on the library's threads during one call: that of the first picture in order. Guarded by the
/// interpreter's lock.
struct PilError {
  size_t index = std::numeric_limits<size_t>::max();
  std::exception_ptr raised;
};

/// The pictures of one list, each decoded when the library wants its pixels: PIL gives up the interpreter's lock while
/// it decodes, and other pictures are computed meanwhile.
class PilList {
 public:
  /// `picture` is number `index` of the list. It is decoded now if another one before it is the same or reads from the
  /// same file, or if PIL reads it from something that may share its place with others, as a part of an archive does.
  Picture Add(const nb::object& picture, size_t index);
  const std::shared_ptr<PilError>& error() const { return error_; }

 private:
  std::shared_ptr<PilError> error_ = std::make_shared<PilError>();
  std::unordered_set<const void*> seen_;  // pictures and files
};

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_PIL_H_
