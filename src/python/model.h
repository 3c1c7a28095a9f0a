// The model and the processor as classes of Python.
#ifndef DIPTYCH_PYTHON_MODEL_H_
#define DIPTYCH_PYTHON_MODEL_H_

#include <nanobind/nanobind.h>

#include <atomic>
#include <utility>

#include "diptych/model.h"

namespace diptych::python {

namespace nb = nanobind;

/// `warm`: a picture has been through the image tower, so that its cost is known and nothing is left to be prepared.
struct PyModel {
  Model model;
  std::atomic<bool> warm{false};

  explicit PyModel(Model loaded) : model(std::move(loaded)) {}
};

/// An answer, and the picture that it is about, to be drawn beside it.
struct PyClassification {
  Classification value;
  nb::object picture;
};

void BindResults(nb::module_& m);
void BindProcessor(nb::module_& m);
void BindModel(nb::module_& m);
void BindTraining(nb::module_& m);
/// Index and search, as methods of a model; duplicates and the care of stores.
void BindStoreCalls(nb::class_<PyModel>& model);
void BindStores(nb::module_& m);

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_MODEL_H_
