#include "python/pictures.h"

#include <nanobind/stl/string.h>

#include <optional>
#include <string_view>
#include <utility>

#include "python/arrays.h"
#include "python/errors.h"

namespace diptych::python {
namespace {

std::string BytesOf(nb::handle object) {
  Py_buffer view;
  if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
  std::string bytes(static_cast<const char*>(view.buf), static_cast<size_t>(view.len));
  PyBuffer_Release(&view);
  return bytes;
}

// PIL is not imported for the question: who has a picture of it has imported it.
bool IsPilPicture(nb::handle object) {
  const nb::object modules = nb::borrow(PyImport_GetModuleDict());
  PyObject* module = PyDict_GetItemString(modules.ptr(), "PIL.Image");
  return module != nullptr && nb::isinstance(object, nb::handle(module).attr("Image"));
}

std::optional<PixelFormat> FormatOf(const std::string& mode) {
  constexpr std::pair<std::string_view, PixelFormat> kModes[] = {
      {"RGB", PixelFormat::kRgb},         {"L", PixelFormat::kGray},     {"RGBA", PixelFormat::kRgba},
      {"LA", PixelFormat::kGrayAlpha},    {"P", PixelFormat::kPalette},  {"CMYK", PixelFormat::kCmyk},
      {"1", PixelFormat::kBilevel},
  };
  for (const auto& [name, format] : kModes) {
    if (name == mode) return format;
  }
  return std::nullopt;
}

std::optional<uint8_t> Byte(nb::handle number) {
  const long value = PyLong_Check(number.ptr()) ? PyLong_AsLong(number.ptr()) : -1;
  if (value < 0 || value > 255) return std::nullopt;
  return static_cast<uint8_t>(value);
}

// info["transparency"] is, by mode: an index or a value a colour, a value, three values. Other things are ignored.
void ReadTransparency(nb::handle picture, RawPicture& raw) {
  const nb::object hidden = picture.attr("info").attr("get")("transparency");
  const std::optional<uint8_t> one = Byte(hidden);
  if (raw.format == PixelFormat::kPalette) {
    if (PyBytes_Check(hidden.ptr())) raw.palette_alpha = BytesOf(hidden);
    if (one) (raw.palette_alpha.assign(size_t{*one} + 1, '\xff')).back() = '\0';
  } else if (raw.format == PixelFormat::kRgb) {
    if (!PyTuple_Check(hidden.ptr()) || PyTuple_Size(hidden.ptr()) != 3) return;
    for (const nb::handle value : nb::borrow<nb::tuple>(hidden)) {
      const std::optional<uint8_t> byte = Byte(value);
      if (byte) raw.hidden_color.push_back(static_cast<char>(*byte));
    }
  } else if (one && (raw.format == PixelFormat::kGray || raw.format == PixelFormat::kBilevel)) {
    raw.hidden_color.assign(3, static_cast<char>(*one));
  }
}

Picture PilPicture(nb::object picture) {
  picture.attr("load")();  // a file that is closed or cut off says so here
  if (!FormatOf(Utf8(nb::object(picture.attr("mode"))))) picture = picture.attr("convert")("RGB");
  const std::string mode = Utf8(nb::object(picture.attr("mode")));
  RawPicture raw{.format = *FormatOf(mode)};
  raw.width = nb::cast<int>(picture.attr("width"));
  raw.height = nb::cast<int>(picture.attr("height"));
  if (raw.format == PixelFormat::kPalette) {
    const nb::object palette = picture.attr("getpalette")("RGB");
    if (!palette.is_none()) raw.palette = BytesOf(nb::module_::import_("builtins").attr("bytes")(palette));
  }
  ReadTransparency(picture, raw);
  const nb::object bytes = mode == "1" ? picture.attr("convert")("L").attr("tobytes")() : picture.attr("tobytes")();
  raw.pixels = BytesOf(bytes);
  return Picture::FromPixels(std::move(raw), "PIL picture");
}

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

Pictures PicturesOf(nb::handle given, int threads) {
  if (std::optional<Pictures> one = OnePicture(given)) return std::move(*one);
  if (PyDict_Check(given.ptr()) || !nb::hasattr(given, "__iter__")) RaiseNoPicture(given);
  // Not for what gives its pictures one by one: they need not all be there at once.
  const bool listed = PyList_Check(given.ptr()) || PyTuple_Check(given.ptr());
  if (threads > 1 && listed && PySequence_Size(given.ptr()) > 1 && IsPilPicture(nb::object(given[0]))) {
    nb::module_::import_("diptych._pil").attr("decode_all")(given, threads);
  }
  Pictures all;
  for (const nb::handle item : nb::borrow(given)) {
    std::optional<Pictures> one = OnePicture(item);
    if (!one || !one->single) RaiseNoPicture(item);
    all.pictures.push_back(std::move(one->pictures.front()));
  }
  return all;
}

}  // namespace diptych::python
