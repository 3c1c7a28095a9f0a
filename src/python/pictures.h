// What people hand over as a picture: a path, bytes, a PIL picture, an array.
#ifndef DIPTYCH_PYTHON_PICTURES_H_
#define DIPTYCH_PYTHON_PICTURES_H_

#include <nanobind/nanobind.h>

#include <functional>
#include <memory>
#include <vector>

#include "diptych/picture.h"
#include "diptych/status.h"
#include "python/pil.h"

namespace diptych::python {

namespace nb = nanobind;

/// How stubs call them.
inline constexpr const char* kPictureType =
    "str | os.PathLike[str] | bytes | PIL.Image.Image | numpy.typing.NDArray[numpy.uint8]";

struct Pictures {
  std::vector<Picture> pictures;
  bool single = false;                  // one picture, not a sequence of them
  std::shared_ptr<PilError> pil_error;  // of those that are decoded later; null if none is
};

/// One picture, or an iterable of them:
///   str, os.PathLike      a file
///   bytes, memoryview     an encoded picture
///   PIL.Image.Image       as it is, in its mode; rare modes as RGB
///   array of uint8        (H, W), or (H, W, C) with 1, 3 or 4 channels; of four dimensions: a picture each
/// PIL's pictures in a list are decoded when the library wants them.
/// Errors: TypeError that says what was given; what PIL raises when it reads the rest of a file.
Pictures PicturesOf(nb::handle given);

/// RunOptions::failed of work over them: raises what PIL raised.
std::function<void(const Status&)> RaisePilError(const Pictures& pictures);

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_PICTURES_H_
