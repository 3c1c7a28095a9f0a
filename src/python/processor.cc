#include "diptych/processor.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "python/arrays.h"
#include "python/errors.h"
#include "python/model.h"
#include "python/options.h"
#include "python/pictures.h"
#include "python/run.h"
#include "python/texts.h"

namespace diptych::python {

std::vector<std::string> TextsOf(nb::handle given, bool* single) {
  *single = PyUnicode_Check(given.ptr());
  if (*single) return {Utf8(given)};
  std::vector<std::string> texts;
  if (!PyBytes_Check(given.ptr()) && !PyDict_Check(given.ptr()) && nb::hasattr(given, "__iter__")) {
    for (const nb::handle item : nb::borrow(given)) {
      if (!PyUnicode_Check(item.ptr())) RaiseTypeError("a text must be a str, not " + TypeName(item));
      texts.push_back(Utf8(item));
    }
    return texts;
  }
  RaiseTypeError("texts must be a str or a sequence of them, not " + TypeName(given));
}

nb::object Tokenize(const Processor& processor, nb::handle given, bool truncate) {
  bool single = false;
  const std::vector<std::string> texts = TextsOf(given, &single);
  std::vector<std::vector<int32_t>> ids;
  {
    nb::gil_scoped_release unlocked;
    for (const std::string& text : texts) ids.push_back(processor.Tokenize(text, truncate));
  }
  return single ? nb::cast(ids.front()) : nb::cast(ids);
}

nb::object Pixels(const Processor& processor, nb::handle given, bool always_rows) {
  Pictures pictures = PicturesOf(given);
  if (pictures.pictures.empty()) RaiseValueError("pictures: the list is empty");
  const size_t n = pictures.pictures.size(), side = static_cast<size_t>(processor.info().image_size);
  const bool is_long = n > 16;
  std::vector<float> pixels = Run(
      [processor, all = std::move(pictures.pictures)](Watch& watch) { return processor.Pixels(all, &watch); },
      {.is_long = is_long, .total = static_cast<int64_t>(n), .failed = RaisePilError(pictures)});
  if (pictures.single && !always_rows) return NumpyOf(std::move(pixels), {3, side, side});
  return NumpyOf(std::move(pixels), {n, 3, side, side});
}

void BindProcessor(nb::module_& m) {
  const Shape shape = {.name = "__init__",
                       .arguments = "self, model: str | os.PathLike[str] = \"\"",
                       .result = "None",
                       .doc = "The processor of a checkpoint folder or of a model by name; weights are not read."};
  constexpr const char* kHidden[] = {"model", "precision", "merge_tokens", "batch"};
  const Description made = Describe<ModelOptions, PictureOptions>(shape, kHidden);
  nb::class_<Processor>(m, "Processor", "What comes before the towers: pictures to pixels, texts to token ids.")
      .def(
          "__init__",
          [](Processor* self, nb::object model, nb::kwargs keywords) {
            constexpr const char* kNotHere[] = {"model", "precision", "merge_tokens", "batch"};
            ModelOptions options;
            PictureOptions pictures;
            ReadKeywords("Processor", keywords, kNotHere, options, pictures);
            options.model = PathText(model, "model");
            new (self) Processor(Run([=](Watch&) { return Processor::Load(options, pictures); }, {}));
          },
          nb::arg("model") = "", nb::arg("keywords"), nb::sig(made.signature.c_str()), made.doc.c_str())
      .def_static("of_architecture", [](const std::string& name) { return Unwrap(Processor::OfArchitecture(name)); },
                  "Of an architecture that open_clip publishes weights for (\"ViT-B-32\"), without a checkpoint.")
      .def(
          "pixels", [](const Processor& self, nb::handle pictures) { return Pixels(self, pictures, true); },
          nb::sig((std::string("def pixels(self, pictures: ") + kPictureType + " | collections.abc.Iterable[" +
                   kPictureType + "]) -> numpy.typing.NDArray[numpy.float32]")
                      .c_str()),
          "What the image tower sees: (N, 3, S, S).")
      .def("tokenize", &Tokenize, nb::arg("texts"), nb::arg("truncate") = true,
           nb::sig("def tokenize(self, texts: str | collections.abc.Iterable[str], truncate: bool = True) -> "
                   "typing.Any"),
           "Token ids without padding: a list, or a list of lists for several texts.")
      .def_prop_ro("model", [](const Processor& self) { return self.info().model; })
      .def_prop_ro("folder", [](const Processor& self) { return self.info().folder; })
      .def_prop_ro("container", [](const Processor& self) { return self.info().container; })
      .def_prop_ro("image_size", [](const Processor& self) { return self.info().image_size; }, "S")
      .def_prop_ro("context_length", [](const Processor& self) { return self.info().context_length; })
      .def_prop_ro("pad_id", [](const Processor& self) { return self.info().pad_id; })
      .def_prop_ro("vocab_size", [](const Processor& self) { return self.info().vocab_size; })
      .def_prop_ro("mean", [](const Processor& self) { return self.info().mean; })
      .def_prop_ro("std", [](const Processor& self) { return self.info().std; })
      .def("__repr__", [](const Processor& self) {
        return "<Processor of " + self.info().model + ": " + std::to_string(self.info().image_size) + " pixels, " +
               std::to_string(self.info().context_length) + " tokens>";
      });
}

}  // namespace diptych::python
