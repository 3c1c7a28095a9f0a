// The extension diptych._diptych. Python's side of the package is python/diptych.
#include <nanobind/nanobind.h>

#include "diptych/version.h"
#include "python/model.h"
#include "python/run.h"

NB_MODULE(_diptych, m) {
  using namespace diptych::python;
  m.doc() = "CLIP in C++: what the package diptych stands on.";
  m.attr("__version__") = diptych::Version();
  BindResults(m);
  BindProcessor(m);
  BindStores(m);
  BindModel(m);
  BindTraining(m);
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&WaitForJobs));
}
