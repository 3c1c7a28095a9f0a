#include "python/pil.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "python/errors.h"

namespace diptych::python {
namespace {

constexpr const char* kName = "PIL picture";

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

RawPicture RawOf(nb::object picture) {
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
  return raw;
}

// A file of its own, or memory: to read it moves nobody else's place in it.
bool ReadsAlone(nb::handle file) {
  const nb::object io = nb::module_::import_("io"), type = nb::borrow(file.type());
  if (type.is(io.attr("BytesIO"))) return true;
  return type.is(io.attr("BufferedReader")) && nb::object(file.attr("raw")).type().is(io.attr("FileIO"));
}

// A picture of a list, until the library has done with it.
class Waiting {
 public:
  Waiting(nb::object picture, size_t index, std::shared_ptr<PilError> error)
      : picture_(std::move(picture)), index_(index), error_(std::move(error)) {}
  ~Waiting() {
    const nb::gil_scoped_acquire locked;
    picture_.reset();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  Result<RawPicture> Decode() const {
    const nb::gil_scoped_acquire locked;
    try {
      return RawOf(picture_);
    } catch (...) {
      if (index_ < error_->index) *error_ = {index_, std::current_exception()};
    }
    return Cancelled(kName);
  }

 private:
  nb::object picture_;
  const size_t index_;
  const std::shared_ptr<PilError> error_;
};

}  // namespace

// PIL is not imported for the question: who has a picture of it has imported it.
bool IsPilPicture(nb::handle object) {
  const nb::object modules = nb::borrow(PyImport_GetModuleDict());
  PyObject* module = PyDict_GetItemString(modules.ptr(), "PIL.Image");
  return module != nullptr && nb::isinstance(object, nb::handle(module).attr("Image"));
}

Picture PilPicture(const nb::object& picture) {
  return Picture::FromPixels(RawOf(picture), kName);
}

Picture PilList::Add(const nb::object& picture, size_t index) {
  const nb::object file = nb::getattr(picture, "fp", nb::none());
  bool alone = seen_.insert(picture.ptr()).second;
  if (!file.is_none()) alone = seen_.insert(file.ptr()).second && alone && ReadsAlone(file);
  if (!alone) return PilPicture(picture);
  const auto waiting = std::make_shared<const Waiting>(picture, index, error_);
  return Picture::FromDecoder([waiting] { return waiting->Decode(); }, kName);
}

}  // namespace diptych::python
