#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdio>

#include "diptych/info.h"
#include "python/errors.h"
#include "python/model.h"

namespace diptych::python {
namespace {

std::string Percent(double p) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * p);
  return text;
}

std::string Text(const Prediction& p) { return p.label + " " + Percent(p.probability); }

std::string Text(const Classification& c) {
  std::string text;
  for (const Prediction& p : c.predictions) text += (text.empty() ? "" : ", ") + Text(p);
  if (c.rejected.value_or(false)) text = "none of the labels (" + Percent(1 - *c.in_list) + "); " + text;
  return "<Classification of " + c.path + ": " + text + ">";
}

Prediction At(const PyClassification& c, Py_ssize_t i) {
  const auto n = static_cast<Py_ssize_t>(c.value.predictions.size());
  if (i < -n || i >= n) throw nb::index_error("there are fewer predictions");
  return c.value.predictions[static_cast<size_t>(i < 0 ? i + n : i)];
}

}  // namespace

void BindResults(nb::module_& m) {
  nb::class_<Prediction>(m, "Prediction", "A label and how likely it is.")
      .def_ro("label", &Prediction::label)
      .def_ro("probability", &Prediction::probability, "softmax over the labels; sigmoid for models with a logit bias")
      .def_ro("logit", &Prediction::logit, "scale * cosine + bias")
      .def("__repr__", [](const Prediction& p) { return "<Prediction " + Text(p) + ">"; });

  nb::class_<PyClassification>(m, "Classification", "What is in a picture: predictions, best first.")
      .def_prop_ro("path", [](const PyClassification& c) { return c.value.path; })
      .def_prop_ro("predictions", [](const PyClassification& c) { return c.value.predictions; })
      .def_prop_ro("label", [](const PyClassification& c) { return At(c, 0).label; }, "the best one's")
      .def_prop_ro("probability", [](const PyClassification& c) { return At(c, 0).probability; }, "the best one's")
      .def_prop_ro("in_list", [](const PyClassification& c) { return c.value.in_list; },
                   "with reject: the chance that the picture is one of the labels")
      .def_prop_ro("rejected", [](const PyClassification& c) { return c.value.rejected; },
                   "with reject: in_list is below it")
      .def_prop_ro("picture", [](const PyClassification& c) { return c.picture; },
                   nb::sig("def picture(self) -> typing.Any"), "what was classified, as it was given")
      .def("__len__", [](const PyClassification& c) { return c.value.predictions.size(); })
      .def("__getitem__", &At)
      .def("__repr__", [](const PyClassification& c) { return Text(c.value); })
      .def("_repr_html_", [](nb::handle self) {
        return nb::cast<std::string>(nb::module_::import_("diptych._html").attr("classification")(self));
      });

  nb::class_<ModelFact>(m, "ModelFact", "A statement about a model and where it was read.")
      .def_ro("name", &ModelFact::name)
      .def_ro("value", &ModelFact::value)
      .def_ro("source", &ModelFact::source)
      .def("__repr__", [](const ModelFact& f) { return "<" + f.name + ": " + f.value + " (" + f.source + ")>"; });

  nb::class_<ModelInfo>(m, "ModelInfo", "What a model is.")
      .def_ro("model", &ModelInfo::model, "as asked for")
      .def_ro("folder", &ModelInfo::folder)
      .def_ro("family", &ModelInfo::family)
      .def_ro("container", &ModelInfo::container)
      .def_ro("parameters", &ModelInfo::parameters)
      .def_ro("embed_dim", &ModelInfo::embed_dim, "E")
      .def_ro("image_size", &ModelInfo::image_size, "S")
      .def_ro("context_length", &ModelInfo::context_length, "most tokens of a text")
      .def_ro("tokenizer", &ModelInfo::tokenizer)
      .def_ro("logit_scale", &ModelInfo::logit_scale)
      .def_ro("logit_bias", &ModelInfo::logit_bias)
      .def_ro("fingerprint", &ModelInfo::fingerprint, "of the weights: embeddings of two of them must not be compared")
      .def_ro("license", &ModelInfo::license, "empty where unknown")
      .def_ro("files", &ModelInfo::files, "of weights, within the folder")
      .def_ro("facts", &ModelInfo::facts)
      .def("__repr__", [](const ModelInfo& i) {
        return "<ModelInfo " + i.model + ": " + i.family + ", " + std::to_string(i.parameters) + " parameters>";
      });

  nb::class_<LabelSet>(m, "LabelSet", "Labels in a model's space, made once and used for many pictures.")
      .def_prop_ro("labels", &LabelSet::labels, nb::rv_policy::copy)
      .def("__len__", [](const LabelSet& set) { return set.labels().size(); })
      .def("__repr__", [](const LabelSet& set) {
        const size_t n = set.labels().size();
        return "<LabelSet of " + std::to_string(n) + ": " + set.labels().front() + (n > 1 ? ", ...>" : ">");
      });
}

}  // namespace diptych::python
