#include "python/pictures.h"

#include <nanobind/stl/string.h>

#include <optional>
#include <utility>

#include "python/arrays.h"
#include "python/errors.h"
#include "python/pil.h"

namespace diptych::python {
namespace {

std::string ShapeText(const ByteArray& array) {
  std::string text;
  for (size_t i = 0; i < array.ndim(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
  return "(" + text + ")";
}

Picture ArrayPicture(const uint8_t* pixels, size_t height, size_t width, size_t channels) {
  RawPicture raw{.width = static_cast<int>(width), .height = static_cast<int>(height)};
  raw.format = channels == 1 ? PixelFormat::kGray : channels == 3 ? PixelFormat::kRgb : PixelFormat::kRgba;
  raw.pixels.assign(reinterpret_cast<const char*>(pixels), height * width * channels);
  return Picture::FromPixels(std::move(raw), "array");
}

// (H, W), (H, W, C) or (N, H, W, C).
Pictures ArrayPictures(const ByteArray& array) {
  const size_t rank = array.ndim();
  constexpr size_t kMaxSide = 1 << 24;
  const size_t first = rank == 4 ? 1 : 0;
  const bool plane = rank == 2;
  const size_t channels = plane ? 1 : rank >= 3 ? array.shape(rank - 1) : 0;
  if ((rank != 2 && rank != 3 && rank != 4) || (channels != 1 && channels != 3 && channels != 4) ||
      array.shape(first) < 1 || array.shape(first + 1) < 1 || array.shape(first) > kMaxSide ||
      array.shape(first + 1) > kMaxSide) {
    RaiseValueError("an array of uint8 and shape " + ShapeText(array) +
                    " is no picture: wanted (H, W), (H, W, C) or (N, H, W, C) with 1, 3 or 4 channels");
  }
  const size_t count = rank == 4 ? array.shape(0) : 1, height = array.shape(first), width = array.shape(first + 1);
  Pictures result{.single = rank != 4};
  for (size_t i = 0; i < count; ++i) {
    result.pictures.push_back(ArrayPicture(array.data() + i * height * width * channels, height, width, channels));
  }
  return result;
}

[[noreturn]] void RaiseNoPicture(nb::handle given) {
  RaiseTypeError("a picture must be a path, bytes, a PIL picture or an array of uint8, not " + TypeName(given));
}

std::optional<Pictures> OnePicture(nb::handle given) {
  if (PyUnicode_Check(given.ptr()) || nb::hasattr(given, "__fspath__")) {
    const nb::object path = nb::steal(PyOS_FSPath(given.ptr()));
    if (!path.is_valid()) throw nb::python_error();
    if (!PyUnicode_Check(path.ptr())) return Pictures{{Picture(BytesOf(path))}, true};
    return Pictures{{Picture(Utf8(path))}, true};
  }
  if (PyBytes_Check(given.ptr()) || PyByteArray_Check(given.ptr()) || PyMemoryView_Check(given.ptr())) {
    return Pictures{{Picture::FromBytes(BytesOf(given), "bytes")}, true};
  }
  if (IsPilPicture(given)) return Pictures{{PilPicture(nb::borrow(given))}, true};
  if (const std::optional<ByteArray> array = ByteArrayOf(given)) return ArrayPictures(*array);
  if (IsArray(given)) {
    RaiseTypeError("an array of pictures must be of uint8, not " + DTypeName(given) +
                   "; float arrays are what the tower sees, (N, 3, S, S): give them to embed()");
  }
  return std::nullopt;
}

}  // namespace

Pictures PicturesOf(nb::handle given) {
  if (std::optional<Pictures> one = OnePicture(given)) return std::move(*one);
  if (PyDict_Check(given.ptr()) || !nb::hasattr(given, "__iter__")) RaiseNoPicture(given);
  // What gives its pictures one by one may change them between: only those of a list can be decoded later.
  const bool listed = PyList_Check(given.ptr()) || PyTuple_Check(given.ptr());
  PilList pil;
  Pictures all{.pil_error = pil.error()};
  for (const nb::handle item : nb::borrow(given)) {
    if (listed && IsPilPicture(item)) {
      all.pictures.push_back(pil.Add(nb::borrow(item), all.pictures.size()));
      continue;
    }
    std::optional<Pictures> one = OnePicture(item);
    if (!one || !one->single) RaiseNoPicture(item);
    all.pictures.push_back(std::move(one->pictures.front()));
  }
  return all;
}

std::function<void(const Status&)> RaisePilError(const Pictures& pictures) {
  return [error = pictures.pil_error](const Status& status) {
    if (status.code() == StatusCode::kCancelled && error && error->raised) std::rethrow_exception(error->raised);
  };
}

}  // namespace diptych::python
