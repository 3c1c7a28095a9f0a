#include "python/model.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string_view>
#include <utility>

#include "python/arrays.h"
#include "python/errors.h"
#include "python/options.h"
#include "python/pictures.h"
#include "python/run.h"
#include "python/texts.h"

namespace diptych::python {
namespace {

constexpr const char* kLoadHidden[] = {"model"};
constexpr const char* kClassifyHidden[] = {"label", "labels"};
constexpr const char* kEmbedHidden[] = {"out", "shard"};

const std::string& PicturesType() {
  static const std::string type =
      std::string(kPictureType) + " | collections.abc.Iterable[" + std::string(kPictureType) + "]";
  return type;
}

// Whether a call is over before anybody could want to stop it; see RunOptions.
bool IsLong(const PyModel& self, size_t pictures) {
  constexpr double kGflopPerThread = 4;
  return !self.warm ||
         static_cast<double>(pictures) * self.model.image_gflop() > kGflopPerThread * self.model.threads();
}

// None: a bar where somebody watches. True: where there is a terminal or not.
std::optional<int64_t> BarTotal(nb::handle progress, size_t total) {
  if (progress.is_none() || progress.ptr() == Py_True) return static_cast<int64_t>(total);
  if (progress.ptr() == Py_False) return std::nullopt;
  RaiseTypeError("progress must be a bool or None, not " + TypeName(progress));
}

nb::object Rows(std::vector<float> values, size_t count, size_t width, bool single) {
  return single ? NumpyOf(std::move(values), {width}) : NumpyOf(std::move(values), {count, width});
}

nb::object EmbedFloats(PyModel& self, FloatArray array, const EmbedOptions& options, nb::handle progress) {
  const size_t rank = array.ndim(), side = static_cast<size_t>(self.model.processor().info().image_size);
  const size_t first = rank == 4 ? 1 : 0;
  if ((rank != 3 && rank != 4) || array.shape(first) != 3 || array.shape(first + 1) != side ||
      array.shape(first + 2) != side) {
    std::string shape;
    for (size_t i = 0; i < rank; ++i) shape += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
    const std::string s = std::to_string(side);
    RaiseValueError("pixels of shape (" + shape + "): this image tower takes (N, 3, " + s + ", " + s + ")");
  }
  const size_t n = rank == 4 ? array.shape(0) : 1;
  if (n == 0) RaiseValueError("pixels: there are none, the first dimension is 0");
  // The job holds the array: an interrupted call may still be reading it.
  const auto work = [model = self.model, array, n, options](Watch& watch) {
    return model.EmbedPixels(array.data(), static_cast<int64_t>(n), options, &watch);
  };
  std::vector<float> rows = Run(work, {.is_long = IsLong(self, n), .total = BarTotal(progress, n)});
  self.warm = true;
  return Rows(std::move(rows), n, static_cast<size_t>(self.model.embed_dim()), rank == 3);
}

nb::object EmbedPictures(PyModel& self, nb::handle given, const EmbedOptions& options, nb::handle progress) {
  if (std::optional<FloatArray> array = FloatArrayOf(given)) {
    return EmbedFloats(self, std::move(*array), options, progress);
  }
  Pictures pictures = PicturesOf(given);
  const size_t n = pictures.pictures.size();
  if (n == 0) RaiseValueError("pictures: the list is empty");
  const auto work = [model = self.model, all = std::move(pictures.pictures), options](Watch& watch) {
    return model.EmbedImages(all, options, &watch);
  };
  std::vector<float> rows = Run(
      work, {.is_long = IsLong(self, n), .total = BarTotal(progress, n), .failed = RaisePilError(pictures)});
  self.warm = true;
  return Rows(std::move(rows), n, static_cast<size_t>(self.model.embed_dim()), pictures.single);
}

nb::object EmbedTexts(PyModel& self, nb::handle given, const EmbedOptions& options, nb::handle progress) {
  bool single = false;
  std::vector<std::string> texts = TextsOf(given, &single);
  const size_t n = texts.size();
  if (n == 0) RaiseValueError("texts: the list is empty");
  const auto work = [model = self.model, all = std::move(texts), options](Watch& watch) {
    return model.EmbedTexts(all, options, &watch);
  };
  std::vector<float> rows = Run(work, {.total = BarTotal(progress, n)});
  return Rows(std::move(rows), n, static_cast<size_t>(self.model.embed_dim()), single);
}

nb::object Embed(PyModel& self, nb::handle pictures, nb::kwargs keywords) {
  const nb::object texts = Pop(keywords, "texts"), progress = Pop(keywords, "progress");
  EmbedOptions options;
  ReadKeywords("embed", keywords, kEmbedHidden, options);
  if (pictures.is_none() == texts.is_none()) RaiseTypeError("embed() takes either pictures or texts");
  return texts.is_none() ? EmbedPictures(self, pictures, options, progress)
                         : EmbedTexts(self, texts, options, progress);
}

nb::object EmbedIds(PyModel& self, const nb::ndarray<const int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>& ids,
                    nb::kwargs keywords) {
  EmbedOptions options;
  ReadKeywords("embed_ids", keywords, kEmbedHidden, options);
  if (ids.shape(0) == 0) RaiseValueError("ids: there are none, the first dimension is 0");
  const auto work = [model = self.model, ids, options](Watch& watch) {
    return model.EmbedIds(ids.data(), static_cast<int64_t>(ids.shape(0)), static_cast<int64_t>(ids.shape(1)), options,
                          &watch);
  };
  return Rows(Run(work, {}), ids.shape(0), static_cast<size_t>(self.model.embed_dim()), false);
}

using RowArray = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

nb::object Logits(const PyModel& self, const RowArray& pictures, const RowArray& texts) {
  const auto e = static_cast<size_t>(self.model.embed_dim());
  if (pictures.shape(1) != e || texts.shape(1) != e) {
    RaiseValueError("embeddings of this model have " + std::to_string(e) + " values, these " +
                    std::to_string(pictures.shape(1)) + " and " + std::to_string(texts.shape(1)));
  }
  const std::vector<float> a(pictures.data(), pictures.data() + pictures.size());
  const std::vector<float> b(texts.data(), texts.data() + texts.size());
  return NumpyOf(Unwrap(self.model.Logits(a, b)), {pictures.shape(0), texts.shape(0)});
}

LabelSet MakeLabels(const PyModel& self, ClassifyOptions options, nb::handle labels) {
  if (!labels.is_none()) {
    bool single = false;
    options.labels = TextsOf(labels, &single);
    if (single) RaiseTypeError("labels must be a sequence of str, not one str");
    if (options.labels.empty()) RaiseValueError("labels: the list is empty");
  }
  return Run([model = self.model, options](Watch&) { return model.MakeLabels(options); }, {});
}

nb::object Classify(PyModel& self, nb::handle given, nb::handle labels, nb::kwargs keywords) {
  const nb::object progress = Pop(keywords, "progress");
  ClassifyOptions options;
  ReadKeywords("classify", keywords, kClassifyHidden, options);
  Pictures pictures = PicturesOf(given);
  const size_t n = pictures.pictures.size();
  if (n == 0) RaiseValueError("pictures: the list is empty");
  LabelSet set = nb::isinstance<LabelSet>(labels) ? nb::cast<LabelSet>(labels) : MakeLabels(self, options, labels);
  const auto work = [model = self.model, all = std::move(pictures.pictures), set, options](Watch& watch) {
    return model.ClassifyAll(all, set, options, &watch);
  };
  std::vector<Classification> found = Run(
      work, {.is_long = IsLong(self, n), .total = BarTotal(progress, n), .failed = RaisePilError(pictures)});
  self.warm = true;
  if (pictures.single) return nb::cast(PyClassification{std::move(found.front()), nb::borrow(given)});
  nb::list results;
  size_t next = 0;
  const bool again = PySequence_Check(given.ptr()) != 0;  // a generator's pictures are gone
  for (Classification& one : found) {
    results.append(PyClassification{std::move(one), again ? nb::object(given[next]) : nb::none()});
    ++next;
  }
  return nb::module_::import_("diptych._results").attr("Classifications")(results);
}

std::string Repr(const PyModel& self) {
  const ProcessorInfo& info = self.model.processor().info();
  return "<Model " + info.model + ": " + self.model.Info().family + ", " + self.model.precision() + ", " +
         std::to_string(info.image_size) + " pixels, E = " + std::to_string(self.model.embed_dim()) + ", " +
         std::to_string(self.model.threads()) + " threads>";
}

void Load(PyModel* self, nb::handle name, nb::kwargs keywords) {
  ModelOptions options;
  PictureOptions pictures;
  ReadKeywords("load", keywords, kLoadHidden, options, pictures);
  options.model = PathText(name, "model");
  Model model = Run([=](Watch&) { return Model::Load(options, pictures); }, {});
  new (self) PyModel(std::move(model));
}

void BindCalls(nb::class_<PyModel>& model) {
  const std::string bar = "progress: bool | None = None", array = "numpy.typing.NDArray[numpy.float32]";
  const Description classify = Describe<ClassifyOptions>(
      {.name = "classify",
       .arguments = "self, pictures: " + PicturesType() +
                    ", labels: collections.abc.Iterable[str] | LabelSet | None = None",
       .keywords = bar,
       .result = "typing.Any",
       .doc = "What is in a picture, from nothing but the names of what might be: a Classification, or a list of them\n"
              "for several pictures. Probabilities are over the labels and sum to 1 (sigmoid models: each 0 to 1).\n"
              "Errors: those of embed() for the first picture that cannot be read; ValueError for an empty list, a\n"
              "template without {}, labels of another model. Source: CLIP (arXiv 2103.00020), section 3.1."},
      kClassifyHidden);
  model.def("classify", &Classify, nb::arg("pictures"), nb::arg("labels") = nb::none(), nb::arg("keywords"),
            nb::sig(classify.signature.c_str()), classify.doc.c_str());
  const Description labels = Describe<ClassifyOptions>(
      {.name = "labels",
       .arguments = "self, labels: collections.abc.Iterable[str] | None = None",
       .result = "LabelSet",
       .doc = "Labels made once, to be given to classify() many times: texts are not encoded again."},
      kClassifyHidden);
  model.def(
      "labels",
      [](const PyModel& self, nb::handle names, nb::kwargs keywords) {
        ClassifyOptions options;
        ReadKeywords("labels", keywords, kClassifyHidden, options);
        return MakeLabels(self, options, names);
      },
      nb::arg("labels") = nb::none(), nb::arg("keywords"), nb::sig(labels.signature.c_str()), labels.doc.c_str());
  const Description embed = Describe<EmbedOptions>(
      {.name = "embed",
       .arguments = "self, pictures: " + PicturesType() + " | " + array + " | None = None",
       .keywords = "texts: str | collections.abc.Iterable[str] | None = None, " + bar,
       .result = array,
       .doc = "Pictures or texts as vectors of one space: (N, E) float32, (E,) of a single one, of length 1 unless\n"
              "no_normalize is set. A float array is what the image tower sees: (N, 3, S, S), as pixels() gives it.\n"
              "Errors: FileNotFoundError; ValueError for the first picture that cannot be read, an empty list,\n"
              "another shape, NaN or infinity; TypeError for neither picture nor text; RuntimeError after a fork.\n"
              "Source: CLIP's encode_image and encode_text (arXiv 2103.00020)."},
      kEmbedHidden);
  model.def("embed", &Embed, nb::arg("pictures") = nb::none(), nb::arg("keywords"), nb::sig(embed.signature.c_str()),
            embed.doc.c_str());
  const Description ids = Describe<EmbedOptions>(
      {.name = "embed_ids",
       .arguments = "self, ids: numpy.typing.NDArray[numpy.int32]",
       .result = array,
       .doc = "Texts as vectors from their token ids, (N, up to context_length) with padding behind: (N, E) float32.\n"
              "Errors: ValueError for an id that is no token, and for more of them than the tower takes."},
      kEmbedHidden);
  model.def("logits", &Logits, nb::arg("pictures"), nb::arg("texts"),
            nb::sig(("def logits(self, pictures: " + array + ", texts: " + array + ") -> " + array).c_str()),
            "scale * cosine + bias of embeddings of length 1, (M, E) and (N, E): (M, N) float32.\n"
            "Errors: ValueError for rows of another width.");
  model.def("embed_ids", &EmbedIds, nb::arg("ids"), nb::arg("keywords"), nb::sig(ids.signature.c_str()),
            ids.doc.c_str());
}

}  // namespace

void BindModel(nb::module_& m) {
  nb::class_<PyModel> model(m, "Model",
                            "A model, ready to classify and embed. Any number of threads may use it at once; pictures\n"
                            "of their calls go through the image tower together. A process that was forked after a\n"
                            "model had computed cannot compute (RuntimeError): start workers by \"spawn\".");
  const Description load = Describe<ModelOptions, PictureOptions>(
      {.name = "__init__",
       .arguments = "self, model: str | os.PathLike[str] = \"\"",
       .result = "None",
       .doc = "Loads a checkpoint folder or a model by name; \"\" is $DIPTYCH_MODEL, else \"starter\"."},
      kLoadHidden);
  model.def("__init__", &Load, nb::arg("model") = "", nb::arg("keywords"), nb::sig(load.signature.c_str()),
            load.doc.c_str());
  BindCalls(model);
  BindStoreCalls(model);
  const std::string pixels =
      "def pixels(self, pictures: " + PicturesType() + ") -> numpy.typing.NDArray[numpy.float32]";
  model
      .def(
          "tokenize",
          [](const PyModel& self, nb::handle texts, bool truncate) {
            return Tokenize(self.model.processor(), texts, truncate);
          },
          nb::arg("texts"), nb::arg("truncate") = true,
          nb::sig("def tokenize(self, texts: str | collections.abc.Iterable[str], truncate: bool = True) -> "
                  "typing.Any"),
          "Token ids without padding: a list, or a list of lists for several texts; at most context_length of each\n"
          "unless `truncate` is False. Errors: TypeError for what is no str. Source: the checkpoint's tokenizer.")
      .def(
          "pixels",
          [](const PyModel& self, nb::handle pictures) { return Pixels(self.model.processor(), pictures, false); },
          nb::sig(pixels.c_str()),
          "What the image tower sees: (N, 3, S, S) float32, (3, S, S) of a single picture; each channel is\n"
          "(value / 255 - mean) / std. Errors: those of embed(). Source: the checkpoint's reference preprocessing.")
      .def("info", [](const PyModel& self) { return self.model.Info(); }, "What it is, each fact with its source.")
      .def_prop_ro("processor", [](const PyModel& self) { return self.model.processor(); })
      .def_prop_ro("name", [](const PyModel& self) { return self.model.processor().info().model; })
      .def_prop_ro("embed_dim", [](const PyModel& self) { return self.model.embed_dim(); }, "E")
      .def_prop_ro("image_size", [](const PyModel& self) { return self.model.processor().info().image_size; }, "S")
      .def_prop_ro("context_length", [](const PyModel& self) { return self.model.processor().info().context_length; })
      .def_prop_ro("threads", [](const PyModel& self) { return self.model.threads(); })
      .def_prop_ro("precision", [](const PyModel& self) { return self.model.precision(); },
                   "what it computes in, also where load() was told \"auto\"")
      .def_prop_ro("logit_scale", [](const PyModel& self) { return self.model.logit_scale(); })
      .def_prop_ro("logit_bias", [](const PyModel& self) { return self.model.logit_bias(); })
      .def("__repr__", &Repr);
}

}  // namespace diptych::python
